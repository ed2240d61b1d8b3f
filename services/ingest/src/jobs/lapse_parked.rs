//! Lets go of documents whose customer never registered: they lapse, as one does whose customer registers too late, and nothing of
//! them is kept but what later corrections need. Until then their content rests sealed.

use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Step};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::{
    domain::{fate::DocumentKey, standing::first_claimable},
    handlers::{knows_the_rules, release::lapse},
    store::documents,
};

/// Documents of one part: each is opened, told and followed by its corrections.
const PART: i64 = 500;

/// Lets documents lapse that nobody will claim any more.
#[derive(Debug)]
pub struct LapseParked;

/// The last document that was looked at: one that can't be opened is passed by.
#[derive(Debug, Default, Serialize, Deserialize)]
struct After {
    store: String,
    kind: String,
    number: String,
}

impl DailyJob for LapseParked {
    const NAME: &'static str = "lapse_parked";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        if !knows_the_rules(cx) {
            return Err(Failure::transient("the program is not known yet"));
        }
        let after = due.cursor.as_ref().and_then(|cursor| serde_json::from_value(cursor.clone()).ok());
        let After { store, kind, number } = after.unwrap_or_default();
        let after = DocumentKey { store, kind, number };
        let rows = documents::load_parked(tx, first_claimable(due.day), &after, PART).await?;
        let last =
            rows.last().map(|row| After { store: row.key.store.clone(), kind: row.key.kind.clone(), number: row.key.number.clone() });
        let full = i64::try_from(rows.len()).is_ok_and(|count| count == PART);
        lapse(cx, tx, rows, out).await?;
        match last.filter(|_| full) {
            Some(last) => Ok(Step::More(serde_json::to_value(last).map_err(Failure::defect)?)),
            None => Ok(Step::Done),
        }
    }
}
