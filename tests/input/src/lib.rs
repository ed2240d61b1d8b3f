//! Bad input: what stores, gateways and callers may send, made at random and by hand, and who says what must become of it.
//!
//! ```text
//! dice      seeded choices: a round is its seed
//! good      documents that nobody can object to, by construction, in every spelling that the contract allows
//! shape     values after a JSON Schema: for messages without a generator of their own
//! spoil     structure-aware changes: of a value, of its text, of its bytes
//! judge     what must be taken and what refused: the published schema and the few rules that no schema can say; it
//!           shares no code with the reader
//! corpus    documents by hand, in files, each with its expected code
//! ```
//!
//! The tests are small and seeded; `make fuzz SEED=… ROUNDS=20` runs them with other seeds and twenty times as long.

pub mod corpus;
pub mod dice;
pub mod good;
pub mod judge;
pub mod shape;
pub mod spoil;

pub use dice::Dice;
pub use judge::Judge;

/// The seeds of a run: `count` from 1 on, or from `SEED` on if that is set; with `ROUNDS` so many times as many.
pub fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let given = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = given("SEED").unwrap_or(1);
    (0..count * given("ROUNDS").unwrap_or(1)).map(move |round| first.wrapping_add(round))
}
