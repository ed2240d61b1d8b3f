//! `jifen settlement`: a month between stores, from the sums of what was sealed. Reads only.

use chrono::{Months, NaiveDate, TimeDelta};
use jifen_contracts::program::in_force_at;
use jifen_kernel::{Rate, clock};
use jifen_runtime::Failure;
use sqlx::PgConnection;

use crate::{domain::settlement::settle, store::settlement as store};

pub use crate::domain::settlement::{GROUP, LateFact, Line, Pair, Settled, StoreSum};
pub use store::Closed;

/// A month.
#[derive(Debug, Clone)]
pub struct Month {
    /// When and how it was closed; what is not closed may still change.
    pub closed: Option<Closed>,
    /// What a point is worth.
    pub point_value: Rate,
    /// Who owes what.
    pub settled: Settled,
    /// What belongs to documents of earlier months.
    pub late: Vec<LateFact>,
}

/// A month, by its first day.
pub async fn load(connection: &mut PgConnection, month: NaiveDate) -> Result<Month, Failure> {
    let closed = store::find_closed(connection, month).await?;
    let point_value = match &closed {
        Some(closed) => closed.point_value,
        None => current_value(connection, month).await?,
    };
    let flows = store::list_flows(connection, month).await?;
    let late = store::list_late(connection, month).await?;
    Ok(Month { closed, point_value, settled: settle(month, &flows, point_value), late })
}

/// The value of a point under the rules in force, as known now, when the month ends.
async fn current_value(connection: &mut PgConnection, month: NaiveDate) -> Result<Rate, Failure> {
    let programs = store::list_programs(connection).await?;
    let zone = programs.last().ok_or_else(|| Failure::transient("no program is known yet"))?.program.time_zone();
    let next = month.checked_add_months(Months::new(1)).unwrap_or(month);
    let end = clock::start_of_day(next, zone) - TimeDelta::microseconds(1);
    let applied = in_force_at(&programs, end).ok_or_else(|| Failure::transient("no program is known for this month"))?;
    Ok(applied.program.settlement.point_value)
}
