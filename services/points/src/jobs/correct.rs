//! Corrections that overtook their invoice: applied when it is posted. A look costs one statement while nothing waits.

use std::time::Duration;

use jifen_runtime::{Ctx, Failure, Job, Outbox};
use sqlx::PgConnection;

use super::parts::{Part, Parts};
use crate::{
    handlers::correct::{Concerned, apply},
    store::corrections,
};

/// Applied in one transaction at most.
const PART: i64 = 200;

/// Applies corrections that waited.
pub struct Correct(Parts);

impl Default for Correct {
    fn default() -> Self {
        Self(Parts::new(PART))
    }
}

impl Job for Correct {
    const NAME: &'static str = "correct";
    const EVERY: Duration = Duration::from_secs(1);

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        let part = self.0.begin();
        self.0.watch(part, self.apply(cx, tx, part, out)).await
    }
}

impl Correct {
    async fn apply(&self, cx: &Ctx, tx: &mut PgConnection, part: Part, out: &mut Outbox) -> Result<(), Failure> {
        let ready = corrections::list_ready(tx, part).await?;
        let found = ready.len();
        // Its rules were known when it began to wait; a copy that has just started may learn them yet.
        let due: Vec<_> = ready.iter().filter(|one| cx.programs.get(one.correction.program_version()).is_some()).collect();
        if !due.is_empty() {
            corrections::save_applied(tx, &due.iter().map(|one| one.correction.key()).collect::<Vec<_>>(), out.now()).await?;
            apply(cx, tx, &due, &Concerned::new(), out).await?;
        }
        self.0.done(part, found);
        Ok(())
    }
}
