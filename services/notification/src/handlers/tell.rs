//! Events of which members hear: each occasion is decided, takes its key, and becomes a command if the key was free.
//!
//! The decision comes before the claim, since the row that claims holds the outcome: one statement does both. What is decided
//! for a key that is taken already is thrown away. What staff shall do and what is remembered is written along with it.

use std::marker::PhantomData;

use jifen_contracts::{code, event::MemberCodeIssued, program::AppliedProgram};
use jifen_runtime::{BatchHandler, Ctx, Failure, Fates, Incoming, Outbox, Poison};
use sqlx::PgConnection;

use super::{
    contacts::{Known, ask_contacts},
    kept,
    tasks::give_tasks,
    told::Told,
};
use crate::{
    domain::{
        occasion::{Facts, Occasion, Reason, Rules},
        send::{Outcome, decide_send},
    },
    outbound,
    store::{self, send::NewSend},
};

/// Tells members of what is read.
#[derive(Debug)]
pub struct Tell<T>(PhantomData<fn() -> T>);

impl<T> Tell<T> {
    /// The handler of this kind.
    #[expect(clippy::new_without_default, reason = "a routing table reads better with a constructor, and nothing else makes one")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Told> BatchHandler for Tell<T> {
    type Item = T;
    type Prepared = Known;

    /// Advertising waits for its hour: its contacts are asked then.
    async fn prepare(&self, cx: &Ctx, batch: &[Incoming<T>]) -> Result<Self::Prepared, Failure> {
        let occasions = batch.iter().flat_map(|incoming| incoming.item.occasions());
        let at_once = occasions.filter(|occasion| occasion.facts.kind().class() != jifen_contracts::notify::MessageClass::Promotion);
        ask_contacts(cx, at_once.map(|occasion| occasion.member_id)).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<T>],
        known: &Self::Prepared,
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let mut fates = Fates::done();
        let (mut sends, mut reasons, mut learned) = (Vec::with_capacity(batch.len()), Vec::new(), Vec::new());
        for (place, incoming) in batch.iter().enumerate() {
            match decide(cx, &incoming.item, known, out) {
                Ok((told, reason)) => {
                    sends.extend(told.into_iter().map(|new| (place, new)));
                    reasons.extend(reason.map(|(reason, applied)| (place, reason, applied)));
                    learned.extend(incoming.item.learned());
                }
                Err(Not::Yet(why)) => fates.retry.push((place, why)),
                Err(Not::Ever(poison)) => fates.poison.push((place, poison)),
            }
        }
        let (places, sends): (Vec<usize>, Vec<NewSend>) = sends.into_iter().unzip();
        let claimed = store::send::claim(tx, &sends, out.now()).await?;
        for (place, new) in places.iter().zip(&sends).filter(|(_, new)| claimed.contains(&new.send.notification_id)) {
            if let Outcome::Commanded(command) = &new.send.outcome {
                outbound::command(out, &batch[*place].cause, new.send.channel, &new.send.store, command);
            }
        }
        if !reasons.is_empty() {
            let reasons: Vec<_> = reasons.iter().map(|(place, reason, applied)| (&batch[*place].cause, reason, applied.as_ref())).collect();
            give_tasks(cx, tx, &reasons, out).await?;
        }
        if !learned.is_empty() {
            store::members::learn(tx, &learned).await?;
        }
        Ok(fates)
    }
}

/// Why an event is not told.
enum Not {
    /// It comes again.
    Yet(String),
    /// It is set aside.
    Ever(Poison),
}

type Decided = (Vec<NewSend>, Option<(Reason, std::sync::Arc<AppliedProgram>)>);

/// What of one event is to be told and done. An unknown version will be known later; a broken event never.
fn decide<T: Told>(cx: &Ctx, item: &T, known: &Known, out: &Outbox) -> Result<Decided, Not> {
    let occasions = item.occasions();
    let mut sends = Vec::with_capacity(occasions.len());
    for mut occasion in occasions {
        let applied = rules(cx, occasion.rules, out)?;
        if known.unreadable.contains(&occasion.member_id) {
            // Told when an operator has mended the vault and retries; until then the member's key stays free.
            let reason = format!("member {} has a contact that the vault can't open", occasion.member_id);
            return Err(Not::Ever(Poison { code: code::MEMBER_UNREADABLE, reason }));
        }
        open_code(cx, &mut occasion)?;
        let contact = known.contacts.get(&occasion.member_id);
        let send = decide_send(&occasion, &applied, contact, cx.ids.next(out.now()), out.now());
        let send = send.map_err(|bad| Not::Ever(Poison::invariant(bad.to_string())))?;
        sends.push(kept::keep(cx, send, &occasion.facts));
    }
    let reason = match item.reason() {
        Some(reason) => {
            let applied = rules(cx, reason.rules, out)?;
            // Most programs ask staff for nothing: then no statement is spent on it.
            let wanted = applied.program.messages.tasks.iter().any(|task| task.kind == reason.kind);
            wanted.then_some((reason, applied))
        }
        None => None,
    };
    Ok((sends, reason))
}

fn rules(cx: &Ctx, rules: Rules, out: &Outbox) -> Result<std::sync::Arc<AppliedProgram>, Not> {
    let (applied, unknown) = match rules {
        Rules::Version(version) => (cx.programs.get(version), format!("program version {version} is not known yet")),
        Rules::InForceAt(at) => (cx.programs.in_force_at(at), format!("no program in force at {at} is known yet")),
        Rules::Now => (cx.programs.in_force_at(out.now()), "no program in force is known yet".to_owned()),
    };
    applied.ok_or(Not::Yet(unknown))
}

/// A code comes sealed for this service alone.
fn open_code(cx: &Ctx, occasion: &mut Occasion) -> Result<(), Not> {
    let Facts::ActivationCode { code, .. } = &mut occasion.facts else { return Ok(()) };
    let opened = cx.seal_to(cx.service).open_text(code, &MemberCodeIssued::bound(occasion.member_id));
    let opened = opened.ok().and_then(|plain| String::from_utf8(plain).ok());
    *code = opened.ok_or_else(|| Not::Ever(Poison::invariant("the code can't be opened: another key sealed it")))?;
    Ok(())
}
