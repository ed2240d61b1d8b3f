//! Sends what waited: advertising whose hour has come, and the next way of what didn't arrive.
//!
//! One copy at a time runs this, in one transaction that no other runs beside it: so what a member has had this week can be
//! counted and added to without a lock, and no number of copies exceeds it. Contacts are asked again, since consent is read when
//! the command is written; only the rows that wait are locked meanwhile, which nothing else touches.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use jifen_contracts::program::MessageLimits;
use jifen_kernel::MemberId;
use jifen_runtime::{Ctx, Failure, Job, Outbox, message::Cause};
use sqlx::PgConnection;

use crate::{
    domain::{
        due::{Due, Waiting, decide_due},
        send::Why,
        timing,
    },
    handlers::{
        contacts::{Known, ask_contacts},
        kept,
    },
    outbound, store,
};

/// Messages of one run.
const ROWS: i64 = 1_000;
/// A member whose contact can't be opened is asked for again after so long.
const UNREADABLE_AGAIN: chrono::Duration = chrono::Duration::hours(1);

/// Sends what is due.
#[derive(Debug)]
pub struct SendDue;

impl Job for SendDue {
    const NAME: &'static str = "send_due";
    const EVERY: Duration = Duration::from_secs(2);

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        // Which limits hold is decided by the program in force; without one there is nothing that could wait.
        let Some(program) = cx.programs.in_force_at(out.now()) else { return Ok(()) };
        let waiting = store::due::load_locked(tx, out.now(), ROWS).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let members: Vec<MemberId> = waiting.iter().map(|waiting| waiting.member_id).collect::<HashSet<_>>().into_iter().collect();
        let known = ask_contacts(cx, members.iter().copied()).await?;
        let week = timing::week_of(out.now(), program.program.time_zone());
        let mut used = store::due::count_promotions(tx, &members, week).await?;
        let mut decided = Vec::with_capacity(waiting.len());
        for waiting in waiting {
            if let Some(due) = decide(cx, &waiting, &program.program.messages.limits, &known, &mut used, out) {
                decided.push((waiting, due));
            }
        }
        for (waiting, due) in &decided {
            if let Due::Send { command, channel, .. } = due {
                outbound::command(out, &Cause::default(), *channel, &waiting.store, command);
            }
        }
        store::due::save(tx, &decided, week).await
    }
}

/// What becomes of one message; `None` while its version isn't known here.
fn decide(
    cx: &Ctx,
    waiting: &Waiting,
    limits: &MessageLimits,
    known: &Known,
    used: &mut HashMap<MemberId, u32>,
    out: &Outbox,
) -> Option<Due> {
    let applied = cx.programs.get(waiting.program_version)?;
    if known.unreadable.contains(&waiting.member_id) {
        let later = out.now() + UNREADABLE_AGAIN;
        return Some(if later < waiting.drop_at { Due::Later(later) } else { Due::Drop(Why::Expired) });
    }
    let Some(facts) = kept::open(cx, waiting.member_id, &waiting.kind, &waiting.business_key, &waiting.sealed) else {
        tracing::error!(service = cx.service, id = %waiting.notification_id, "what was kept of a message can't be opened; it is dropped");
        return Some(Due::Drop(Why::Unfit));
    };
    let had = used.entry(waiting.member_id).or_default();
    let contact = known.contacts.get(&waiting.member_id);
    match decide_due(waiting, &facts, &applied, limits, contact, *had, out.now()) {
        Ok(due) => {
            *had += u32::from(matches!(due, Due::Send { counts: true, .. }));
            Some(due)
        }
        Err(bad) => {
            tracing::error!(service = cx.service, id = %waiting.notification_id, %bad, "a message can't be written; it is dropped");
            Some(Due::Drop(Why::Unfit))
        }
    }
}
