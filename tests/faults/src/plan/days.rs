//! Days that pass when all is at rest: what ends, what becomes spendable, who is reminded, and what goes wrong meanwhile.

use chrono::{Days, NaiveDate};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use super::faults::{Cut, Deed, Trap};

/// Days of all jumps of a round at most: the next round's begin behind them.
pub const SPAN: u64 = 12;
/// Reminders so many days ahead.
pub const REMINDERS: [u32; 2] = [5, 2];
/// Points of this category can be spent so many days after their business date.
pub const WAITING: (&str, u64) = ("package", 12);
/// Steps of a day's work, and of what it announces.
const PLACES: [&str; 12] = [
    "daily.began",
    "daily.handled",
    "daily.handled",
    "daily.remembered",
    "daily.remembered",
    "commit.saved",
    "commit.done",
    "relay.sending",
    "relay.sent",
    "runner.handled",
    "job.handled",
    "any",
];

/// Points that a person brings from another system, with an end of their own.
#[derive(Debug, Clone)]
pub struct Brought {
    /// Whose.
    pub person: usize,
    /// Who funds them.
    pub store: String,
    /// How many.
    pub points: i64,
    /// Their last day.
    pub expires_on: NaiveDate,
    /// Held over their end: so many of the person's points.
    pub held: Option<i64>,
}

/// The clock goes on.
#[derive(Debug, Clone)]
pub struct Jump {
    /// So many days.
    pub days: u64,
    /// What goes wrong behind it.
    pub deed: Deed,
    /// So many milliseconds behind it.
    pub after_ms: u64,
}

/// The days behind a round.
#[derive(Debug, Clone, Default)]
pub struct Passing {
    /// What is brought before them.
    pub brought: Vec<Brought>,
    /// The clock's jumps; none where no day passes.
    pub jumps: Vec<Jump>,
    /// The failpoints of each process.
    pub traps: Vec<Vec<Trap>>,
}

impl Passing {
    pub(super) fn new(rng: &mut StdRng, people: usize, copies: usize, stores: &[String], today: NaiveDate) -> Self {
        if rng.random_bool(0.4) {
            return Self::default();
        }
        let jumps: Vec<Jump> = (0..rng.random_range(2..=4)).map(|_| Jump::new(rng)).collect();
        let brought = (0..rng.random_range(15..=40)).map(|_| Brought {
            person: rng.random_range(0..people),
            store: stores.choose(rng).cloned().unwrap_or_default(),
            points: rng.random_range(1..5_000),
            expires_on: today + Days::new(rng.random_range(1..=SPAN)),
            held: rng.random_bool(0.15).then(|| rng.random_range(1..2_000)),
        });
        let brought = brought.collect();
        let traps = (0..copies).map(|_| (0..rng.random_range(3..=6)).map(|_| trap(rng)).collect()).collect();
        Self { brought, jumps, traps }
    }

    /// Its last day.
    pub fn last(&self, today: NaiveDate) -> NaiveDate {
        today + Days::new(self.jumps.iter().map(|jump| jump.days).sum())
    }
}

impl Jump {
    fn new(rng: &mut StdRng) -> Self {
        let deed = match rng.random_range(0..8) {
            0 => Deed::KillAll,
            1 | 2 => Deed::KillOne,
            3 => Deed::DatabaseRestarts,
            4 => Deed::CutAll,
            _ => Deed::Cut(if rng.random_bool(0.5) { Cut::BeforeCommit } else { Cut::AfterCommit }, rng.random_range(1..6)),
        };
        Self { days: rng.random_range(1..=3), deed, after_ms: rng.random_range(0..600) }
    }
}

fn trap(rng: &mut StdRng) -> Trap {
    let place = PLACES.choose(rng).copied().unwrap_or("any");
    let nth = if place == "any" { rng.random_range(1..60) } else { rng.random_range(1..=8) };
    let deed = if rng.random_bool(0.15) { format!("pause-{}", rng.random_range(200..1_500)) } else { "kill".to_owned() };
    Trap { service: if rng.random_bool(0.8) { "points" } else { "notification" }, place, nth, deed }
}
