//! The bills of a round: what is on them, and how they read as documents.

use chrono::{Days, NaiveDate};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::people::Person;

const CATEGORIES: [&str; 14] = [
    "maintenance",
    "maintenance",
    "maintenance",
    "repair",
    "repair",
    "parts",
    "accessory",
    "extended_warranty",
    "package",
    "other",
    "vehicle",
    "stored_value_top_up",
    "pass_through",
    "insurance_premium",
];
const PAYERS: [&str; 10] =
    ["customer", "warranty", "insurance", "oem", "internal", "goodwill", "package", "stored_value", "voucher", "points"];
const REDUCTIONS: [&str; 4] = ["discount", "rounding", "points", "voucher"];
/// Days of business, the last one yesterday.
pub const DAYS: u64 = 10;

/// A line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its category.
    pub category: &'static str,
    /// Who pays.
    pub payer: &'static str,
    /// What it costs, in fen.
    pub fen: i64,
    /// Of a stored-value line, what was once paid in.
    pub principal_fen: Option<i64>,
}

/// How the bill names its customer.
#[derive(Debug, Clone)]
pub enum Customer {
    /// This person, by these keys.
    Known(usize, Value),
    /// Nobody who ever registers.
    Stranger(Value),
}

/// A bill in order.
#[derive(Debug, Clone)]
pub struct Bill {
    /// Its store.
    pub store: String,
    /// Its number there.
    pub number: String,
    /// The local day of settlement.
    pub day: NaiveDate,
    /// Who it is for.
    pub customer: Customer,
    /// What is on it.
    pub lines: Vec<Line>,
    /// What is taken off: kind and fen.
    pub reductions: Vec<(&'static str, i64)>,
    /// The bill in whose place it stands.
    pub replaces: Option<String>,
    issued_at: String,
    odometer_km: u32,
}

impl Bill {
    /// Bill `number` of a round.
    pub fn new(rng: &mut StdRng, seed: u64, number: usize, people: &[Person], stores: &[String], today: NaiveDate) -> Self {
        let day = today - Days::new(rng.random_range(1..=DAYS));
        let customer = if rng.random_bool(0.02) {
            Customer::Stranger(json!({ "phone": format!("199{:08}", seed % 10_000 * 10_000 + number as u64) }))
        } else {
            let who = rng.random_range(0..people.len());
            Customer::Known(who, keys_of(rng, &people[who]))
        };
        let lines = (0..rng.random_range(1..=5)).map(|_| line(rng)).collect();
        let off = if rng.random_bool(0.35) { rng.random_range(1..=2) } else { 0 };
        let reductions = (0..off).map(|_| (REDUCTIONS.choose(rng).copied().unwrap_or("discount"), reduction(rng))).collect();
        Self {
            store: stores.choose(rng).cloned().unwrap_or_default(),
            number: format!("R{seed}-{number:04}"),
            day,
            customer,
            lines,
            reductions,
            replaces: None,
            issued_at: format!("{day}T{:02}:{:02}:{:02}+08:00", rng.random_range(0..24), rng.random_range(0..60), rng.random_range(0..60)),
            odometer_km: rng.random_range(1_000..150_000),
        }
    }

    /// Where it is sent.
    pub fn subject(&self) -> String {
        format!("pos.v1.{}.invoice", self.store)
    }

    /// The document. `further`: the same bill with another mileage, which is another content that earns the same.
    pub fn document(&self, further: bool) -> Value {
        let (Customer::Known(_, customer) | Customer::Stranger(customer)) = &self.customer;
        let line = |(place, line): (usize, &Line)| {
            let mut json = json!({ "line": place + 1, "category": line.category, "payer": line.payer, "amount": yuan(line.fen) });
            if let Some(principal) = line.principal_fen {
                json["principal"] = yuan(principal).into();
            }
            json
        };
        let lines: Vec<Value> = self.lines.iter().enumerate().map(line).collect();
        let off: Vec<Value> = self.reductions.iter().map(|(kind, fen)| json!({ "kind": kind, "amount": yuan(*fen) })).collect();
        let mut document = json!({
            "store": self.store, "invoice_no": self.number, "issued_at": self.issued_at, "customer": customer, "currency": "CNY",
            "odometer_km": self.odometer_km + u32::from(further), "lines": lines, "reductions": off,
        });
        if let Some(replaces) = &self.replaces {
            document["replaces"] = json!(replaces);
        }
        document
    }

    /// A CloudEvent around a document, as half of the stores send it.
    pub fn structured(&self, document: &Value, copy: usize) -> Value {
        json!({
            "specversion": "1.0", "id": format!("{}-{copy}", self.number), "type": "pos.invoice", "source": format!("/dms/{}", self.store),
            "data": document,
        })
    }
}

fn keys_of(rng: &mut StdRng, person: &Person) -> Value {
    let Person { phone, vin, plate, .. } = person;
    match rng.random_range(0..10) {
        0..=4 => json!({ "phone": phone, "vin": vin, "plate": plate }),
        5..=6 => json!({ "phone": format!("+86 {phone}"), "plate": "" }),
        7 => json!({ "vin": vin }),
        8 => json!({ "plate": plate }),
        _ => json!({ "phone": phone, "plate": plate }),
    }
}

fn line(rng: &mut StdRng) -> Line {
    let payer = if rng.random_bool(0.7) { "customer" } else { PAYERS.choose(rng).copied().unwrap_or("customer") };
    let fen = match rng.random_range(0..20) {
        0 => rng.random_range(0..100),
        1 => rng.random_range(300_000..900_000),
        _ => rng.random_range(1_000..120_000),
    };
    let principal_fen = (payer == "stored_value" && rng.random_bool(0.8)).then(|| rng.random_range(0..=fen));
    Line { category: CATEGORIES.choose(rng).copied().unwrap_or("repair"), payer, fen, principal_fen }
}

fn reduction(rng: &mut StdRng) -> i64 {
    // Now and then more than the customer pays of a small bill.
    if rng.random_bool(0.1) { rng.random_range(50_000..200_000) } else { rng.random_range(1..5_000) }
}

/// As it stands in documents.
pub(super) fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}
