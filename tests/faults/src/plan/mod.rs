//! What a round will be: people, bills, how often and in which order they are sent, and what goes wrong. All of it follows
//! from a seed.

pub mod bills;
pub mod corrections;
pub mod days;
pub mod faults;
pub mod others;
pub mod people;
pub mod strays;
pub mod visits;

use chrono::{Days, NaiveDate};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use self::{
    bills::{Bill, Customer},
    corrections::Correction,
    days::Passing,
    faults::{Fault, Layout, Trap},
    others::Other,
    people::Person,
    strays::{Stray, WAYS},
    visits::Visit,
};

/// A campaign of the round.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Its code.
    pub code: String,
    /// Its factor in basis points.
    pub factor_basis_points: i64,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// Whether it has a budget: how much of what is due it covers, in permille.
    pub covers: Option<i64>,
}

/// What a sending is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// This bill; `true`: with its other content.
    Bill(usize, bool),
    /// This stray.
    Stray(usize),
    /// No bill, by its place.
    Other(usize),
    /// This refund or void.
    Correction(usize),
}

/// One message of a store.
#[derive(Debug, Clone)]
pub struct Sending {
    /// What it is.
    pub what: What,
    /// Where.
    pub subject: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A message that no service can read.
#[derive(Debug, Clone)]
pub struct Poison {
    /// Where it is published.
    pub subject: String,
    /// Who will set it aside.
    pub consumer: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A round.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all of it comes from.
    pub seed: u64,
    /// The day on which it is played.
    pub today: NaiveDate,
    /// Its own stores.
    pub stores: Vec<String>,
    /// Its own customers.
    pub people: Vec<Person>,
    /// Bills in order.
    pub bills: Vec<Bill>,
    /// What else they report.
    pub others: Vec<Other>,
    /// What they take back.
    pub corrections: Vec<Correction>,
    /// Who pays with points.
    pub visits: Vec<Visit>,
    /// Which of the season's rounds it is.
    pub place: usize,
    /// Bills that come with two contents: one is accepted, the other a conflict.
    pub contested: Vec<usize>,
    /// What must be refused.
    pub strays: Vec<Stray>,
    /// All messages of the stores, in the order of sending.
    pub sendings: Vec<Sending>,
    /// Its own campaigns, on days of their own.
    pub offers: Vec<Offer>,
    /// What must be set aside.
    pub poison: Vec<Poison>,
    /// The processes.
    pub layout: Layout,
    /// The failpoints of each process.
    pub traps: Vec<Vec<Trap>>,
    /// What else goes wrong.
    pub faults: Vec<Fault>,
    /// Days that pass in the end.
    pub passing: Passing,
}

impl Plan {
    /// The round of `seed`, as number `place` of the rounds that share servers.
    pub fn new(seed: u64, place: usize, today: NaiveDate) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let rng = &mut rng;
        let stores: Vec<String> = ["A", "B", "C"].map(|letter| format!("F{place:02}{letter}")).into();
        let people: Vec<Person> = (0..rng.random_range(12..=40)).map(|number| Person::new(rng, place, number, &stores, today)).collect();
        let count = rng.random_range(80..=260);
        let mut bills: Vec<Bill> = (0..count).map(|number| Bill::new(rng, seed, number, &people, &stores, today)).collect();
        corrections::replace(rng, &mut bills);
        let mut strays = Vec::new();
        for bill in &bills {
            if rng.random_bool(0.06) {
                // Refused under the very number that the good one bears: it leaves nothing behind that would collide.
                strays.push(Stray::new(rng.random_range(0..WAYS), bill, today));
            }
        }
        let contested: Vec<usize> = (0..bills.len()).filter(|_| rng.random_bool(0.04)).collect();
        let mut sendings = sendings(rng, &bills, &contested, &strays);
        meet(rng, &mut sendings, &bills, &people);
        let day = |back| today - Days::new(back);
        let offers = vec![
            Offer { code: format!("double_{place}"), factor_basis_points: 20_000, from: day(9), to: day(7), covers: None },
            Offer {
                code: format!("limited_{place}"),
                factor_basis_points: 15_000,
                from: day(5),
                // While it runs, what is taken back is the budget's again.
                to: if rng.random_bool(0.6) { today + Days::new(20) } else { day(2) },
                covers: Some(rng.random_range(100..1_300)),
            },
        ];
        let others: Vec<Other> =
            (0..rng.random_range(30..=90)).map(|number| Other::new(rng, (seed, place, number), &people, &stores, today)).collect();
        let corrections = corrections::corrections(rng, seed, &bills, today);
        mix(rng, &mut sendings, &others, place, &people);
        mix_corrections(rng, &mut sendings, &corrections);
        let visits = visits::visits(rng, people.len(), &bills, &corrections, &stores);
        let poison = (0..rng.random_range(0..=2)).map(|number| poison(rng, seed, number, &stores[0])).collect();
        let layout = Layout::new(rng);
        let (traps, faults) = faults::faults(rng, layout.copies.len());
        let passing = Passing::new(rng, people.len(), layout.copies.len(), &stores, today);
        Self {
            seed,
            today,
            stores,
            people,
            bills,
            others,
            corrections,
            visits,
            place,
            contested,
            strays,
            sendings,
            offers,
            poison,
            layout,
            traps,
            faults,
            passing,
        }
    }
}

/// Every document 1 to 20 times, in two forms, shuffled.
fn sendings(rng: &mut StdRng, bills: &[Bill], contested: &[usize], strays: &[Stray]) -> Vec<Sending> {
    let mut all = Vec::new();
    for (place, bill) in bills.iter().enumerate() {
        let contents: &[bool] = if contested.contains(&place) { &[false, true] } else { &[false] };
        for further in contents {
            let document = bill.document(*further);
            for copy in 0..times(rng) {
                let bytes = if copy % 2 == 1 { bill.structured(&document, copy / 4).to_string() } else { document.to_string() };
                all.push(Sending { what: What::Bill(place, *further), subject: bill.subject(), bytes: bytes.into_bytes() });
            }
        }
    }
    for (place, stray) in strays.iter().enumerate() {
        for _ in 0..times(rng).min(3) {
            all.push(Sending { what: What::Stray(place), subject: stray.subject.clone(), bytes: stray.bytes.clone() });
        }
    }
    all.shuffle(rng);
    all
}

/// Who registers late does so while half of the bills that wait for it are on their way: both sides of a wait at once.
fn meet(rng: &mut StdRng, sendings: &mut Vec<Sending>, bills: &[Bill], people: &[Person]) {
    let late = |sending: &Sending| match sending.what {
        What::Bill(bill, _) => match bills[bill].customer {
            Customer::Known(person, _) => Some(people[person].registers_at).filter(|at| *at > 0),
            Customer::Stranger(_) => None,
        },
        What::Stray(_) | What::Other(_) | What::Correction(_) => None,
    };
    let count = sendings.len();
    let mut placed: Vec<(usize, Sending)> = Vec::with_capacity(count);
    for (place, sending) in std::mem::take(sendings).into_iter().enumerate() {
        let at = late(&sending).filter(|_| rng.random_bool(0.5));
        let place = at.map_or(place, |at| (at as usize * count / 1_000 + rng.random_range(0..12)).saturating_sub(2));
        placed.push((place, sending));
    }
    placed.sort_by_key(|(place, _)| *place);
    sendings.extend(placed.into_iter().map(|(_, sending)| sending));
}

/// What is no bill comes among the bills.
fn mix(rng: &mut StdRng, sendings: &mut Vec<Sending>, others: &[Other], round: usize, people: &[Person]) {
    for (place, other) in others.iter().enumerate() {
        let bytes = other.document(round, people).to_string().into_bytes();
        for _ in 0..times(rng) {
            let sending = Sending { what: What::Other(place), subject: other.subject(), bytes: bytes.clone() };
            sendings.insert(rng.random_range(0..=sendings.len()), sending);
        }
    }
}

/// And so does what takes something back, before its bill or behind it.
fn mix_corrections(rng: &mut StdRng, sendings: &mut Vec<Sending>, corrections: &[Correction]) {
    for (place, correction) in corrections.iter().enumerate() {
        for copy in 0..times(rng) {
            let document = if copy % 2 == 1 { correction.structured(copy / 4) } else { correction.document() };
            let sending =
                Sending { what: What::Correction(place), subject: correction.subject(), bytes: document.to_string().into_bytes() };
            sendings.insert(rng.random_range(0..=sendings.len()), sending);
        }
    }
}

fn times(rng: &mut StdRng) -> usize {
    match rng.random_range(0..20) {
        0 => rng.random_range(5..=20),
        1..=6 => rng.random_range(2..=3),
        _ => 1,
    }
}

fn poison(rng: &mut StdRng, seed: u64, number: usize, store: &str) -> Poison {
    let (subject, consumer) = match rng.random_range(0..4) {
        0 => (format!("evt.ingest.invoice_accepted.v1.{store}"), "points_invoice_accepted"),
        1 => (format!("evt.points.earned.v1.{store}"), "campaign_earned"),
        2 => (format!("evt.campaign.accrual_assessed.v1.{store}"), "points_accrual_assessed"),
        _ => ("gateway.v1.sms.receipt".to_owned(), "notification_gateway_receipts"),
    };
    Poison { subject, consumer, bytes: format!("{{\"poison\":\"{seed}-{number}\"").into_bytes() }
}
