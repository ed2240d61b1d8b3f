//! Work that is due once a business day, whatever the number of copies, however long nobody ran.
//!
//! A day's work is done in parts, one transaction each; a part says where the next goes on. The place is written in the part's
//! own transaction, so a copy that is killed leaves a whole part or nothing, and any copy goes on behind it. Days come in their
//! order: after a downtime each is done, the oldest first. A new installation begins with its first day.

use std::{future::Future, sync::Arc};

use chrono::NaiveDate;
use jifen_kernel::clock;
use serde_json::Value;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::{Ctx, Failure, Outbox, failpoint, failure::guarded, limits};

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The local day in the program's zone; may lie in the past.
    pub day: NaiveDate,
    /// Where the part before ended; `None` for the first part of the day.
    pub cursor: Option<Value>,
}

/// How far a part came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The day is done.
    Done,
    /// There is more; the next part goes on here.
    More(Value),
}

/// Work that is due once a business day.
pub trait DailyJob: Send + Sync + 'static {
    /// Its name, unique in the service and for ever: its days are remembered under it.
    const NAME: &'static str;

    /// Does the next part of a day: a bounded number of rows, in a transaction that no other copy runs at the same time.
    fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> impl Future<Output = Result<Step, Failure>> + Send;
}

pub(crate) async fn keep<J: DailyJob>(cx: Arc<Ctx>, job: Arc<J>, stop: CancellationToken) {
    let mut done: Option<NaiveDate> = None;
    let (mut wait, mut retry) = (limits::DAILY_LOOK, limits::DAILY_RETRY);
    loop {
        tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(wait) => {} }
        wait = limits::DAILY_LOOK;
        let Some(today) = today(&cx) else { continue };
        // No statement is spent on a day that is known to be done.
        while done.is_none_or(|done| done < today) && !stop.is_cancelled() {
            match part_of(&cx, job.as_ref(), today).await {
                Ok(Look::Done(day)) => done = Some(day),
                Ok(Look::Part) => retry = limits::DAILY_RETRY,
                Ok(Look::Elsewhere) => break,
                Err(error) => {
                    tracing::warn!(service = cx.service, job = J::NAME, %error, "a part of a day's work failed; it is due again");
                    wait = retry;
                    retry = (retry * 2).min(limits::RETRY_LAST);
                    break;
                }
            }
        }
    }
}

/// What a look found.
enum Look {
    /// Everything up to this day is done.
    Done(NaiveDate),
    /// A part was done; there may be more.
    Part,
    /// Another copy is at it.
    Elsewhere,
}

/// The business day; `None` until a program is known, whose zone decides it.
fn today(cx: &Ctx) -> Option<NaiveDate> {
    let now = cx.clock.now();
    Some(clock::local_date(now, cx.programs.in_force_at(now)?.program.time_zone()))
}

/// Does everything that is due up to today, unless another copy is at it.
pub async fn run_due<J: DailyJob>(cx: &Ctx, job: &J) -> Result<(), Failure> {
    let Some(today) = today(cx) else { return Ok(()) };
    while matches!(part_of(cx, job, today).await?, Look::Part) {}
    Ok(())
}

async fn part_of<J: DailyJob>(cx: &Ctx, job: &J, today: NaiveDate) -> Result<Look, Failure> {
    let mut found = Look::Part;
    let done = guarded(async {
        let mut tx = cx.pool.begin().await?;
        let key = format!("{}/{}", cx.service, J::NAME);
        let free: bool =
            sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended($1, 0))").bind(key).fetch_one(&mut *tx).await?;
        if !free {
            found = Look::Elsewhere;
            return Ok(None);
        }
        let due = match due(&mut tx, J::NAME, today).await? {
            Ok(due) => due,
            Err(done) => {
                found = Look::Done(done);
                return Ok(None);
            }
        };
        failpoint::pass(cx.service, "daily.began");
        let mut out = cx.outbox();
        let step = job.run_part(cx, &mut tx, &due, &mut out).await?;
        failpoint::pass(cx.service, "daily.handled");
        remember(&mut tx, J::NAME, due.day, step, &out).await?;
        failpoint::pass(cx.service, "daily.remembered");
        cx.commit(tx, out).await.map(Some)
    });
    if let Some(commit) = done.await? {
        cx.relay.publish(commit).await;
    }
    Ok(found)
}

/// What is due, or up to which day all is done.
async fn due(tx: &mut PgConnection, job: &str, today: NaiveDate) -> Result<Result<Due, NaiveDate>, Failure> {
    let last: Option<(NaiveDate, Option<Value>, bool)> =
        sqlx::query_as("select day, cursor, done_at is not null from job_day where job = $1 order by day desc limit 1")
            .bind(job)
            .fetch_optional(tx)
            .await?;
    Ok(match last {
        None => Ok(Due { day: today, cursor: None }),
        Some((day, cursor, false)) => Ok(Due { day, cursor }),
        Some((day, _, true)) => match day.succ_opt().filter(|next| *next <= today) {
            Some(next) => Ok(Due { day: next, cursor: None }),
            None => Err(day),
        },
    })
}

async fn remember(tx: &mut PgConnection, job: &str, day: NaiveDate, step: Step, out: &Outbox) -> Result<(), Failure> {
    let (cursor, done_at) = match step {
        Step::Done => (None, Some(out.now())),
        Step::More(cursor) => (Some(cursor), None),
    };
    sqlx::query(
        "insert into job_day (job, day, cursor, done_at) values ($1, $2, $3, $4)
         on conflict (job, day) do update set cursor = excluded.cursor, done_at = excluded.done_at",
    )
    .bind(job)
    .bind(day)
    .bind(cursor)
    .bind(done_at)
    .execute(tx)
    .await?;
    Ok(())
}
