//! What an overload round sends: far more than the system takes in the time, all of it from a seed.

use chrono::{Days, NaiveDate};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::json;

use crate::{
    model::{Expected, earn::Earned},
    plan::{
        Offer, Plan, Poison, Sending, What,
        bills::{Bill, Customer, Line},
        faults::Layout,
        people::Person,
        strays::Stray,
    },
};

/// Whose account is torn: what is posted to it breaks a constraint.
pub const TORN: usize = 0;
/// Whose account can't be read back.
pub const UNREADABLE: usize = 1;
/// New bills for each second of the flood: about twice what a debug build brings through on two busy cores, so that the backlog
/// is gone some minutes after the flood. The rest of the flood are the same bills again.
const BILLS_A_SECOND: usize = 250;
/// Bills with which the round begins, to see how fast the system is.
pub const FIRST: usize = 300;
const PEOPLE: usize = 80;
/// Documents of 300 KB are no part of it: few would fill a stream.
const SMALL_WAYS: usize = 12;

/// The round of `seed`, with enough for a flood of so many seconds. The sendings of the first [`FIRST`] bills come first.
pub fn plan(seed: u64, seconds: u64, today: NaiveDate) -> Plan {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x4f56_4552);
    let rng = &mut rng;
    let stores: Vec<String> = ["A", "B", "C"].map(|letter| format!("OVER{letter}")).into();
    let mut people: Vec<Person> = (0..PEOPLE).map(|number| Person::new(rng, 0, number, &stores, today)).collect();
    for person in &mut people[..=UNREADABLE] {
        person.registers_at = 0;
    }
    let count = FIRST + BILLS_A_SECOND * usize::try_from(seconds).unwrap_or(1);
    let mut bills: Vec<Bill> = (0..count).map(|number| Bill::new(rng, seed, number, &people, &stores, today)).collect();
    // Both have an account with entries before it is damaged, and their share of the flood.
    for (place, bill) in bills.iter_mut().enumerate() {
        let who = if place < FIRST { place % 10 } else { place % 40 };
        if who <= UNREADABLE {
            bill.customer = Customer::Known(who, json!({ "phone": people[who].phone }));
            bill.lines =
                vec![Line { category: "maintenance", payer: "customer", fen: rng.random_range(1_000..90_000), principal_fen: None }];
            bill.reductions.clear();
        }
    }
    let strays: Vec<Stray> = bills.iter().filter_map(|bill| stray(rng, bill, today)).collect();
    let sendings = sendings(rng, &bills, &strays);
    let day = |back| today - Days::new(back);
    let offer = |code: &str, factor_basis_points, from, to, covers| Offer { code: code.to_owned(), factor_basis_points, from, to, covers };
    let offers = vec![
        offer("double_0", 20_000, day(9), day(7), None),
        offer("limited_0", 15_000, day(5), day(2), Some(rng.random_range(300..1_300))),
    ];
    let mut plan = Plan {
        corrections: Vec::new(),
        visits: Vec::new(),
        passing: crate::plan::days::Passing::default(),
        seed,
        today,
        stores,
        people,
        others: Vec::new(),
        place: 0,
        bills,
        contested: Vec::new(),
        strays,
        sendings,
        offers,
        poison: Vec::new(),
        layout: Layout { name: "overload", copies: vec![Vec::new()], batch_messages: 500, atomic: false },
        traps: Vec::new(),
        faults: Vec::new(),
    };
    plan.poison = letters(&plan);
    plan
}

fn stray(rng: &mut StdRng, bill: &Bill, today: NaiveDate) -> Option<Stray> {
    rng.random_bool(0.03).then(|| Stray::new(rng.random_range(0..SMALL_WAYS), bill, today))
}

fn sendings(rng: &mut StdRng, bills: &[Bill], strays: &[Stray]) -> Vec<Sending> {
    let bill = |place: usize, copy: usize| {
        let document = bills[place].document(false);
        let bytes = if copy % 2 == 1 { bills[place].structured(&document, copy).to_string() } else { document.to_string() };
        Sending { what: What::Bill(place, false), subject: bills[place].subject(), bytes: bytes.into_bytes() }
    };
    let first: Vec<Sending> = (0..FIRST).map(|place| bill(place, 0)).collect();
    let mut rest: Vec<Sending> = (FIRST..bills.len())
        .flat_map(|place| (0..rng.random_range(1..=2)).map(move |copy| (place, copy)))
        .map(|(place, copy)| bill(place, copy))
        .collect();
    let strays = strays.iter().enumerate();
    rest.extend(strays.map(|(place, stray)| Sending {
        what: What::Stray(place),
        subject: stray.subject.clone(),
        bytes: stray.bytes.clone(),
    }));
    rest.shuffle(rng);
    first.into_iter().chain(rest).collect()
}

/// What is set aside while both accounts are damaged: the flood's bills of their members; of the torn one's those that bring
/// points, since the others append nothing to it.
fn letters(plan: &Plan) -> Vec<Poison> {
    let is_stuck = |bill: &&Bill| match bill.customer {
        Customer::Known(TORN, _) => Earned::of(bill).base() > 0,
        Customer::Known(UNREADABLE, _) => true,
        _ => false,
    };
    let letter = |bill: &Bill| Poison {
        subject: format!("evt.ingest.invoice_accepted.v1.{}", bill.store),
        consumer: "points_invoice_accepted",
        bytes: Vec::new(),
    };
    plan.bills[FIRST..].iter().filter(is_stuck).map(letter).collect()
}

/// Bills that are settled while both accounts are damaged: everybody else's, as if nothing were wrong.
pub fn unaffected(plan: &Plan, expected: &Expected) -> usize {
    let flood = |place: usize| place >= FIRST;
    let is_unaffected = |(place, bill): (usize, &Bill)| match bill.customer {
        Customer::Stranger(_) => false,
        Customer::Known(TORN, _) => !flood(place) || Earned::of(bill).base() == 0,
        Customer::Known(UNREADABLE, _) => !flood(place),
        Customer::Known(..) => expected.bills.contains_key(&(bill.store.clone(), bill.number.clone())),
    };
    plan.bills.iter().enumerate().filter(|found| is_unaffected(*found)).count()
}

/// Commands of the round, at least: one for each bill with points of somebody who wants to hear.
pub fn commands(plan: &Plan) -> usize {
    let told = |bill: &&Bill| match bill.customer {
        Customer::Known(person, _) => plan.people[person].consents && Earned::of(bill).base() > 0,
        Customer::Stranger(_) => false,
    };
    plan.bills.iter().filter(told).count()
}
