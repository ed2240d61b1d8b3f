//! `member.registered`: the look-up learns the member's keys, and what waited for them is released.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jifen_contracts::event::MemberRegistered;
use jifen_kernel::MemberId;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, message::Cause};
use sqlx::PgConnection;

use super::{knows_the_rules, release::release};
use crate::{
    domain::customer::{Key, Owner},
    keys,
    store::customer_keys,
};

/// Learns members and releases their documents.
#[derive(Debug)]
pub struct MemberRegisteredHandler;

type Batch = [Incoming<Event<MemberRegistered>>];

impl BatchHandler for MemberRegisteredHandler {
    type Item = Event<MemberRegistered>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let all_again = |why: &str| Fates { retry: (0..batch.len()).map(|place| (place, why.to_owned())).collect(), ..Fates::default() };
        if !knows_the_rules(cx) {
            return Ok(all_again("the program is not known yet"));
        }
        let owners = owners_of(cx, batch);
        let keys: BTreeSet<Key> = owners.keys().cloned().collect();
        customer_keys::lock(tx, &keys).await?;
        customer_keys::save_owners(tx, &owners, out.now()).await?;
        let causes: HashMap<MemberId, &Cause> = batch.iter().map(|incoming| (incoming.item.data.member_id, &incoming.cause)).collect();
        let released = release(cx, tx, &keys, &causes, out).await?;
        // Applied so far, and applied again without harm: the next delivery releases the rest.
        Ok(if released.more { all_again("more documents wait for these members") } else { Fates::done() })
    }
}

/// Who has which key after these events; of a key that stands in several, the event with the highest sequence counts.
fn owners_of(cx: &Ctx, batch: &Batch) -> BTreeMap<Key, (Owner, i64)> {
    let mut owners: BTreeMap<Key, (Owner, i64)> = BTreeMap::new();
    for Incoming { item: event, .. } in batch {
        let (member, sequence) = (&event.data, event.sequence.unwrap_or(0));
        for (key, owned_since) in keys::of_member(cx, member) {
            if owners.get(&key).is_none_or(|(_, known)| *known < sequence) {
                let owner =
                    Owner { member_id: member.member_id, member_no: member.member_no.clone(), owned_since, known_at: member.registered_at };
                owners.insert(key, (owner, sequence));
            }
        }
    }
    owners
}
