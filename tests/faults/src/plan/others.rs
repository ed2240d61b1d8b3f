//! What stores report beside bills: check-ins, purchases from partners, cars that were handed over.

use chrono::{Days, NaiveDate};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::{bills::DAYS, people::Person};

/// What a check-in earns; one a day does (the preset's rule).
pub const CHECK_IN: i64 = 5;

/// Points a yuan of both partners, in tenths.
pub const PARTNER_TENTHS: i64 = 5;

/// What was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Once a day and person it is rewarded.
    CheckIn,
    /// From the partner without a budget.
    Wash,
    /// From the partner whose budget is less than what is due.
    Fuel,
    /// A second car.
    Car,
}

impl Kind {
    /// As in the subject.
    pub fn document(self) -> &'static str {
        match self {
            Self::CheckIn => "interaction",
            Self::Wash | Self::Fuel => "partner_purchase",
            Self::Car => "vehicle_sale",
        }
    }

    /// As `ingest` announces it.
    pub fn event(self) -> &'static str {
        match self {
            Self::CheckIn => "ingest.interaction_recorded",
            Self::Wash | Self::Fuel => "ingest.partner_purchase_recorded",
            Self::Car => "ingest.vehicle_sold",
        }
    }
}

/// A document that is no bill.
#[derive(Debug, Clone)]
pub struct Other {
    /// The store.
    pub store: String,
    /// Its number.
    pub number: String,
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub person: usize,
    /// Its local day.
    pub day: NaiveDate,
    /// What was paid.
    pub fen: i64,
    hour: u32,
    vin: String,
}

/// The partner of a round that has no budget.
pub fn wash(place: usize) -> String {
    format!("wash-{place:02}")
}

/// And the one that has.
pub fn fuel(place: usize) -> String {
    format!("fuel-{place:02}")
}

impl Other {
    /// Some document of a person.
    pub fn new(
        rng: &mut StdRng,
        (seed, place, number): (u64, usize, usize),
        people: &[Person],
        stores: &[String],
        today: NaiveDate,
    ) -> Self {
        let kind = *[Kind::CheckIn, Kind::CheckIn, Kind::CheckIn, Kind::Wash, Kind::Fuel, Kind::Fuel, Kind::Car]
            .choose(rng)
            .unwrap_or(&Kind::Wash);
        Self {
            store: stores.choose(rng).cloned().unwrap_or_default(),
            number: format!("O{seed}-{number:04}"),
            kind,
            person: rng.random_range(0..people.len()),
            // Few days, so that many check-ins are one too many.
            day: today - Days::new(if kind == Kind::CheckIn { rng.random_range(1..=3) } else { rng.random_range(1..=DAYS) }),
            fen: if rng.random_bool(0.1) { rng.random_range(1..200) } else { rng.random_range(1_000..60_000) },
            hour: rng.random_range(0..24),
            vin: format!("LC{:08}{:07}", seed % 100_000_000, place * 10_000 + number),
        }
    }

    /// Where it is sent.
    pub fn subject(&self) -> String {
        format!("pos.v1.{}.{}", self.store, self.kind.document())
    }

    /// As it is sent.
    pub fn document(&self, place: usize, people: &[Person]) -> Value {
        let customer = json!({ "phone": people[self.person].phone });
        let at = format!("{}T{:02}:15:00+08:00", self.day, self.hour);
        let yuan = format!("{}.{:02}", self.fen / 100, self.fen % 100);
        match self.kind {
            Kind::CheckIn => json!({
                "store": self.store, "interaction_no": self.number, "kind": "check_in", "occurred_at": at, "customer": customer,
            }),
            Kind::Wash | Kind::Fuel => json!({
                "store": self.store, "purchase_no": self.number, "occurred_at": at, "customer": customer, "amount": yuan,
                "partner": if self.kind == Kind::Wash { wash(place) } else { fuel(place) },
            }),
            Kind::Car => json!({
                "store": self.store, "sale_no": self.number, "delivered_at": at, "customer": customer, "vin": self.vin, "series": "X5",
                "price": "186000.00",
            }),
        }
    }

    /// What it earns where no limit bites.
    pub fn due(&self) -> i64 {
        match self.kind {
            Kind::CheckIn => CHECK_IN,
            Kind::Wash | Kind::Fuel => self.fen * PARTNER_TENTHS / 1_000,
            Kind::Car => 0,
        }
    }
}
