//! The customers of a round.

use chrono::{Days, NaiveDate};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

const PREFIXES: [&str; 6] = ["135", "136", "138", "150", "186", "188"];
const VIN_LETTERS: &[u8] = b"ABCDEFGHJKLMNPRSTUVWXYZ0123456789";

/// A customer with a car.
#[derive(Debug, Clone)]
pub struct Person {
    /// Mobile number, as the store writes it.
    pub phone: String,
    /// The car.
    pub vin: String,
    /// Its plate.
    pub plate: String,
    /// Where they register.
    pub store: String,
    /// Whether service messages may be sent.
    pub consents: bool,
    /// How much of the load is out when they register, in permille; 0: before all of it.
    pub registers_at: u32,
    /// How often the registration is sent.
    pub asked: u32,
    /// Somebody else at the store registers them once more.
    pub asked_again: bool,
    owned_since: NaiveDate,
    birthday: String,
}

impl Person {
    /// Customer `number` of the round that has place `place` in its season.
    pub fn new(rng: &mut StdRng, place: usize, number: usize, stores: &[String], today: NaiveDate) -> Self {
        // Phones, VINs and plates of all rounds of a season differ.
        let unique = place * 1_000 + number;
        let late = rng.random_bool(0.3);
        let letters: String = std::iter::repeat_with(|| char::from(*VIN_LETTERS.choose(rng).unwrap_or(&b'A'))).take(8).collect();
        Self {
            phone: format!("{}{unique:08}", PREFIXES.choose(rng).copied().unwrap_or("138")),
            vin: format!("LF{letters}{unique:07}"),
            plate: format!(
                "沪{}{}{number:04}",
                char::from(b'A' + u8::try_from(place / 20).unwrap_or(0)),
                char::from(VIN_LETTERS[place % 20])
            ),
            store: stores.choose(rng).cloned().unwrap_or_default(),
            consents: rng.random_bool(0.85),
            registers_at: if late { rng.random_range(300..900) } else { 0 },
            asked: if rng.random_bool(0.3) { rng.random_range(2..6) } else { 1 },
            asked_again: rng.random_bool(0.15),
            // Nobody's comes while a season is played.
            birthday: (today + Days::new(180)).format("1992-%m-%d").to_string(),
            owned_since: today - Days::new(rng.random_range(60..2_000)),
        }
    }

    /// The registration, as operation `operation`.
    pub fn request(&self, operation: &str) -> Value {
        let consents: &[&str] = if self.consents { &["sms:service"] } else { &[] };
        json!({
            "operation_id": operation, "store": self.store, "name": "欧阳晓明", "phone": self.phone, "birthday": self.birthday,
            "consents": consents, "store_confirmed": true,
            "vehicles": [{ "vin": self.vin, "plate": self.plate, "owned_since": self.owned_since }],
        })
    }
}
