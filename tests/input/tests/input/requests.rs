//! The readers of requests and of gateways' receipts against their published schemas.

use jifen_contracts::catalogue::{Family, catalogue};
use jifen_input::{Dice, Judge, seeds, shape, spoil};

/// Rounds for each kind of message.
const ROUNDS: u64 = 300;

/// What readers take beyond the schema's letter, and why that harms nobody; and what a schema can't say.
fn is_a_spelling(why: &str) -> bool {
    // An id without hyphens, or in braces, is the same id; a day without its zeros, or with blanks, the same day.
    why.contains("is not a \"uuid\"") || why.contains("is not a \"date\"") || why.contains("is not a \"date-time\"")
}

#[test]
fn requests_are_read_or_refused_as_their_schemas_say() {
    for message in catalogue().into_iter().filter(|message| matches!(message.family, Family::Request | Family::GatewayReceipt)) {
        let (judge, schema) = (Judge::with_formats(&message), message.schema());
        let mut taken = 0;
        for seed in seeds(ROUNDS) {
            let mut dice = Dice::new(seed);
            let mut value = shape::value(&mut dice, &schema, &schema);
            if dice.chance(50) {
                spoil::value(&mut dice, &mut value);
            }
            let mut bytes = value.to_string().into_bytes();
            if dice.chance(20) {
                bytes = spoil::message(&mut dice, &value);
            }
            let show = || String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned();
            match (message.decode(&bytes), judge.fits(&bytes)) {
                (Ok(_), Ok(_)) => taken += 1,
                (Err(_), Err(_)) => {}
                (Ok(_), Err(why)) if is_a_spelling(&why) => {}
                (Ok(_), Err(why)) => panic!("SEED={seed}: {} takes what is invalid: {why}\n{}", message.name, show()),
                (Err(why), Ok(_)) if beyond_a_schema(&why) => {}
                (Err(why), Ok(_)) => panic!("SEED={seed}: {} refuses what is valid: {why}\n{}", message.name, show()),
            }
        }
        assert!(taken > 0, "{}: nothing fits", message.name);
    }
}

/// Whole numbers have ends that a schema's type does not say, and are written without a point; a schema doesn't see the size; and
/// the library that judges formats takes some days that are none.
fn beyond_a_schema(why: &str) -> bool {
    let reasons = [
        "document.too_large",
        "input contains invalid characters",
        "input is out of range",
        "expected u32",
        "expected i64",
        "expected u64",
    ];
    reasons.iter().any(|reason| why.contains(reason))
}
