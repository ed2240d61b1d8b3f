//! An event of which members hear: each occasion is decided, takes its key, and becomes a command if the key was free.
//!
//! The decision comes before the claim, since the row that claims holds the outcome: one statement does both. What is decided
//! for a key that is taken already is thrown away.

use std::marker::PhantomData;

use jifen_contracts::code;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison};
use sqlx::PgConnection;

use super::contacts::{Known, ask_contacts};
use crate::{
    domain::{
        occasion::{Occasional, Rules},
        send::{Outcome, Send, decide_send},
    },
    outbound, store,
};

/// Tells members of one kind of event.
#[derive(Debug)]
pub struct Tell<T>(PhantomData<fn() -> T>);

impl<T> Tell<T> {
    /// The handler of this kind.
    #[expect(clippy::new_without_default, reason = "a routing table reads better with a constructor, and nothing else makes one")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Occasional> BatchHandler for Tell<T> {
    type Item = Event<T>;
    type Prepared = Known;

    async fn prepare(&self, cx: &Ctx, batch: &[Incoming<Event<T>>]) -> Result<Self::Prepared, Failure> {
        let occasions = batch.iter().filter_map(|incoming| incoming.item.data.occasion());
        ask_contacts(cx, occasions.map(|occasion| occasion.member_id)).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<Event<T>>],
        known: &Self::Prepared,
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let (decided, fates) = decide(cx, batch, known, out);
        let sends: Vec<&Send> = decided.iter().map(|(_, send)| send).collect();
        let claimed = store::send::claim(tx, &sends, out.now()).await?;
        for (place, send) in decided.iter().filter(|(_, send)| claimed.contains(&send.notification_id)) {
            if let Outcome::Commanded(command) = &send.outcome {
                outbound::command(out, &batch[*place].cause, &send.store, command);
            }
        }
        Ok(fates)
    }
}

/// What of a batch is to be told, in stream order. An unknown version will be known later; a broken event never.
fn decide<T: Occasional>(cx: &Ctx, batch: &[Incoming<Event<T>>], known: &Known, out: &Outbox) -> (Vec<(usize, Send)>, Fates) {
    let (mut decided, mut fates) = (Vec::with_capacity(batch.len()), Fates::done());
    for (place, incoming) in batch.iter().enumerate() {
        let Some(occasion) = incoming.item.data.occasion() else { continue };
        let (applied, unknown) = match occasion.rules {
            Rules::Version(version) => (cx.programs.get(version), format!("program version {version} is not known yet")),
            Rules::InForceAt(at) => (cx.programs.in_force_at(at), format!("no program in force at {at} is known yet")),
        };
        let Some(applied) = applied else {
            fates.retry.push((place, unknown));
            continue;
        };
        if known.unreadable.contains(&occasion.member_id) {
            // Told when an operator has mended the vault and retries; until then the member's key stays free.
            let reason = format!("member {} has a contact that the vault can't open", occasion.member_id);
            fates.poison.push((place, Poison { code: code::MEMBER_UNREADABLE, reason }));
            continue;
        }
        let contact = known.contacts.get(&occasion.member_id);
        match decide_send(&occasion, &applied, contact, cx.ids.next(out.now()), out.now()) {
            Ok(send) => decided.push((place, send)),
            Err(bad) => fates.poison.push((place, Poison::invariant(bad.to_string()))),
        }
    }
    (decided, fates)
}
