//! Timed entrances: run by one copy at a time, on the same four steps as a handler.

use std::{future::Future, sync::Arc, time::Duration};

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::{Ctx, Failure, Outbox, failpoint, failure::guarded};

/// Work that is due again and again.
pub trait Job: Send + Sync + 'static {
    /// Its name, unique in the service.
    const NAME: &'static str;
    /// How often it is due.
    const EVERY: Duration;

    /// Does what is due. Runs in a transaction that no other copy runs at the same time.
    fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> impl Future<Output = Result<(), Failure>> + Send;
}

pub(crate) async fn keep<J: Job>(cx: Arc<Ctx>, job: Arc<J>, stop: CancellationToken) {
    loop {
        tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(J::EVERY) => {} }
        if let Err(error) = run_once(&cx, job.as_ref()).await {
            tracing::warn!(service = cx.service, job = J::NAME, %error, "a job failed; it is due again");
        }
    }
}

/// Runs a job now, unless another copy does.
pub async fn run_once<J: Job>(cx: &Ctx, job: &J) -> Result<(), Failure> {
    let done = guarded(async {
        let mut tx = cx.pool.begin().await?;
        let key = format!("{}/{}", cx.service, J::NAME);
        let free: bool =
            sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended($1, 0))").bind(key).fetch_one(&mut *tx).await?;
        if !free {
            return Ok(None);
        }
        failpoint::pass(cx.service, "job.began");
        let mut out = cx.outbox();
        job.run(cx, &mut tx, &mut out).await?;
        if !out.is_empty() {
            // Looks that find nothing are many.
            failpoint::pass(cx.service, "job.handled");
        }
        cx.commit(tx, out).await.map(Some)
    });
    if let Some(commit) = done.await? {
        cx.relay.publish(commit).await;
    }
    Ok(())
}
