//! What happens to members, over sets: [`registration`] (also at its endpoint), [`code_issue`], [`whole`] (a member's values, read
//! and saved), and the entrances [`sign_up`] and [`vehicle_sold`].

pub mod code_issue;
pub mod registration;
pub mod sign_up;
pub mod vehicle_sold;
pub mod whole;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::program::{AppliedProgram, Program};
use jifen_kernel::clock::local_date;
use jifen_runtime::Ctx;

/// The rules of a batch, and its instant.
pub struct Rules {
    applied: Arc<AppliedProgram>,
    /// The instant.
    pub now: DateTime<Utc>,
    /// Its local day.
    pub today: NaiveDate,
}

impl Rules {
    /// Those in force at `now`; `None` before there is a program.
    pub fn of(cx: &Ctx, now: DateTime<Utc>) -> Option<Self> {
        let applied = cx.programs.in_force_at(now)?;
        let today = local_date(now, applied.program.time_zone());
        Some(Self { applied, now, today })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.applied.program
    }
}
