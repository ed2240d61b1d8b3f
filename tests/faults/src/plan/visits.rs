//! Customers at tills: points are quoted, held, and then spent, given back, or forgotten.

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use super::{
    bills::{Bill, Customer},
    corrections::{Change, Correction},
};

/// What becomes of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// So much of it is spent, in permille; the rest comes back.
    Capture(u32),
    /// It is given back.
    Release,
    /// Nobody comes back to it in time; then somebody does.
    Expire,
    /// One till spends so much of it while another gives it back.
    Both(u32),
}

/// A customer at a till.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Whose points.
    pub person: usize,
    /// Where.
    pub store: String,
    /// How much of what the till has seen on the account it holds, in permille.
    pub share: u32,
    /// What becomes of it.
    pub end: End,
    /// The bill that is paid so.
    pub bill: Option<String>,
    /// How much of the load is out when it begins, in permille.
    pub at: u32,
    /// How long the points are held before anything becomes of them, in milliseconds: time for their bills to be taken back.
    pub waits_ms: u64,
    /// How often each question is sent at once.
    pub asked: u32,
}

/// The visits of a round. Some come in pairs: two tills on one balance.
pub(super) fn visits(rng: &mut StdRng, people: usize, bills: &[Bill], corrections: &[Correction], stores: &[String]) -> Vec<Visit> {
    let voided = corrections.iter().filter(|correction| correction.change == Change::Void).filter_map(|correction| correction.bill);
    let ending: Vec<usize> = voided.filter(|bill| matches!(bills[*bill].customer, Customer::Known(..))).collect();
    let mut all = Vec::new();
    for _ in 0..rng.random_range(12..=30) {
        // Now and then on a bill that is voided, earlier or later.
        let ends = if rng.random_bool(0.3) { ending.choose(rng).map(|bill| &bills[*bill]) } else { None };
        let person = match ends.map(|bill| &bill.customer) {
            Some(Customer::Known(person, _)) => *person,
            _ => rng.random_range(0..people),
        };
        let at = rng.random_range(150..950);
        let tills = if rng.random_bool(0.3) { 2 } else { 1 };
        for _ in 0..tills {
            let own: Vec<&Bill> =
                bills.iter().filter(|bill| matches!(bill.customer, Customer::Known(other, _) if other == person)).collect();
            let bill = ends.or_else(|| if rng.random_bool(0.85) { own.choose(rng).copied() } else { None });
            let end = match rng.random_range(0..10) {
                0..=4 => End::Capture(rng.random_range(1..=1_000)),
                5 => End::Capture(1_000),
                6 => End::Release,
                7..=8 => End::Expire,
                _ => End::Both(rng.random_range(1..=1_000)),
            };
            all.push(Visit {
                person,
                store: bill.map_or_else(|| stores.choose(rng).cloned().unwrap_or_default(), |bill| bill.store.clone()),
                share: if tills == 2 { rng.random_range(510..=1_000) } else { rng.random_range(1..=1_000) },
                end,
                bill: bill.map(|bill| bill.number.clone()),
                at,
                waits_ms: if rng.random_bool(0.5) { rng.random_range(0..4_000) } else { 0 },
                asked: if rng.random_bool(0.3) { rng.random_range(2..5) } else { 1 },
            });
        }
    }
    all
}
