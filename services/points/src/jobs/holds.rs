//! Points that are held too long come back.
//!
//! What is due is read without a lock; under the lock of its account a hold is read again, and what a till has resolved meanwhile is
//! left alone. So of capture, release and expiry exactly one happens, whatever the number of copies.

use std::time::Duration;

use jifen_contracts::{endpoint::HoldState, event::EntryKind, program::AppliedProgram};
use jifen_runtime::{Ctx, Failure, Job, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::parts::{Part, Parts};
use crate::{
    domain::hold::Moment,
    endpoints::release,
    handlers::ids,
    store::holds,
    till::{Books, today},
};

/// Holds of one transaction.
const PART: i64 = 500;

/// Ends holds.
pub struct ExpireHolds(Parts);

impl Default for ExpireHolds {
    fn default() -> Self {
        Self(Parts::new(PART))
    }
}

impl Job for ExpireHolds {
    const NAME: &'static str = "expire_holds";
    const EVERY: Duration = Duration::from_secs(1);

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        let Some(rules) = cx.programs.in_force_at(out.now()) else { return Ok(()) };
        let part = self.0.begin();
        self.0.watch(part, self.end(cx, tx, (part, &rules), out)).await
    }
}

impl ExpireHolds {
    async fn end(&self, cx: &Ctx, tx: &mut PgConnection, (part, rules): (Part, &AppliedProgram), out: &mut Outbox) -> Result<(), Failure> {
        let due = holds::list_expired(tx, out.now(), part.limit, part.offset).await?;
        if due.is_empty() {
            self.0.done(part, 0);
            return Ok(());
        }
        let known = holds::load(tx, &due).await?;
        let mut books = Books::of_holds(tx, &known).await?;
        let over = |hold: &crate::domain::hold::Hold| hold.state == HoldState::Open && hold.expires_at <= out.now();
        books.load_parts(tx, EntryKind::Hold, over).await?;
        let ids_over: Vec<Uuid> = books.holds().filter(|hold| over(hold)).map(|hold| hold.hold_id).collect();
        let mut next_id = ids(cx, out);
        for hold_id in ids_over {
            let mut now = Moment { at: out.now(), today: today(rules, out), next_id: &mut next_id };
            release(&mut books, hold_id, HoldState::Expired, &mut now, (&Cause::default(), out))?;
        }
        books.save(tx, out).await?;
        self.0.done(part, due.len());
        Ok(())
    }
}
