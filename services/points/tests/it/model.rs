//! Random sequences of everything that moves points, on the ledger's decisions and on a model of them, compared after each step.
//!
//! The model (`model/reference.rs`) is written without the ledger's code, as naively as the rules are told. `MODEL_STEPS` and `MODEL_SEED`
//! make it longer and other; a difference names its seed.

mod real;
mod reference;

use std::fmt;

use jifen_kernel::Points;
use rand::{Rng, SeedableRng, rngs::StdRng};

use self::{real::Real, reference::Reference};

/// Steps in the suite.
const STEPS: u64 = 20_000;
/// Steps of one account.
const EPISODE: u64 = 250;

/// What may happen to one account.
#[derive(Debug, Clone)]
pub enum Step {
    /// An invoice of so many fen of maintenance and of repair.
    Post { number: usize, fen: [i64; 2] },
    /// campaign's answer: a factor on each category in per mille, and how much of it the budget left in per cent.
    Settle { number: usize, factor: [i64; 2], left: i64 },
    /// So many fen of a line are paid back.
    Refund { number: usize, line: usize, fen: i64 },
    /// The invoice counts no longer.
    Void { number: usize },
    /// The member is activated.
    Activate,
    /// Points are held.
    Hold { points: i64 },
    /// Some of a hold is spent, the rest comes back.
    Capture { hold: usize, points: i64 },
    /// A hold comes back.
    Release { hold: usize },
    /// What a hold was spent on is void.
    Return { hold: usize, grace_days: u32 },
    /// Staff gives or takes.
    Adjust { points: i64 },
    /// Days go by.
    Wait { days: u64 },
    /// The day's run ends lots.
    End,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Spendable, not yet, held, owed, ever.
    pub figures: [i64; 5],
    /// What is left of each lot that has something.
    pub lots: Vec<(uuid::Uuid, i64)>,
    /// The same of those that wait.
    pub pending: Vec<(uuid::Uuid, i64)>,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [active, pending, reserved, debt, lifetime] = self.figures;
        write!(
            f,
            "active {active}, pending {pending}, reserved {reserved}, debt {debt}, lifetime {lifetime}; {:?} {:?}",
            self.lots, self.pending
        )
    }
}

fn draw(rng: &mut StdRng, invoices: usize, holds: usize) -> Step {
    let fen = |rng: &mut StdRng| if rng.random_bool(0.2) { 0 } else { rng.random_range(0..200_000) };
    let number = rng.random_range(0..invoices.max(1));
    let hold = rng.random_range(0..holds.max(1));
    match rng.random_range(0..100) {
        0..22 => Step::Post { number: invoices, fen: [fen(rng), fen(rng)] },
        22..40 => {
            let factor = [1_000, 1_500, 2_000];
            let factor = [factor[rng.random_range(0..3)], factor[rng.random_range(0..3)]];
            Step::Settle { number, factor, left: rng.random_range(1..=100) }
        }
        40..58 => Step::Refund { number, line: rng.random_range(1..=2), fen: rng.random_range(0..150_000) },
        58..62 => Step::Void { number },
        62..64 => Step::Activate,
        64..74 => Step::Hold { points: rng.random_range(1..4_000) },
        74..80 => Step::Capture { hold, points: rng.random_range(1..4_000) },
        80..85 => Step::Release { hold },
        85..88 => Step::Return { hold, grace_days: if rng.random_bool(0.5) { 0 } else { 14 } },
        88..92 => Step::Adjust { points: rng.random_range(-1_500..1_500) },
        92..97 => Step::Wait { days: rng.random_range(1..20) },
        _ => Step::End,
    }
}

fn number_of(name: &str, else_: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(else_)
}

#[test]
fn the_ledger_does_what_its_model_does() {
    let (steps, first) = (number_of("MODEL_STEPS", STEPS), number_of("MODEL_SEED", 1));
    let mut done = 0;
    let mut effective = 0;
    for seed in first.. {
        if done >= steps {
            break;
        }
        let mut rng = StdRng::seed_from_u64(seed);
        let awaiting = rng.random_bool(0.3);
        let (mut real, mut reference) = (Real::new(awaiting), Reference::new(awaiting));
        for place in 0..EPISODE {
            let step = draw(&mut rng, real.invoices(), real.holds());
            let before = real.state();
            // Who makes lots tells their keys: a model can't know them.
            let made = real.take(&step);
            reference.take(&step, &made);
            let (is, should) = (real.state(), reference.state());
            assert_eq!(is, should, "seed {seed}, step {place}, {step:?}\n  was    {before}\n  is     {is}\n  should {should}");
            real.assert_sound(&format!("seed {seed}, step {place}, {step:?}"));
            effective += u64::from(before != is);
            done += 1;
        }
    }
    println!("{done} steps from seed {first}, {effective} of them changed something");
    assert!(effective * 3 > done, "most steps must mean something");
}

/// Points as they are counted here.
pub fn plain(points: Points) -> i64 {
    points.0
}
