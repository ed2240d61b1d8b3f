//! `member.activated`: what waited for it becomes spendable, once; what comes later from before it is spendable at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::event::MemberActivated;
use jifen_kernel::MemberId;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox};
use sqlx::PgConnection;

use super::ids;
use crate::{
    domain::activation::decide_activation,
    store::{accounts, activations, entries},
};

/// Activates accounts.
pub struct MemberActivatedHandler;

type Batch = [Incoming<Event<MemberActivated>>];

impl BatchHandler for MemberActivatedHandler {
    type Item = Event<MemberActivated>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        // Claim.
        let activated: BTreeMap<MemberId, DateTime<Utc>> =
            batch.iter().map(|incoming| (incoming.item.data.member_id, incoming.item.data.at)).collect();
        let new = activations::claim(tx, &activated).await?;
        if new.is_empty() {
            return Ok(Fates::done());
        }
        // Load: an account is opened for a member without one, so that whoever posts next waits for this and sees it.
        let members = batch.iter().map(|incoming| &incoming.item.data).filter(|event| new.contains(&event.member_id));
        let members = members.map(|event| (event.member_id, event.member_no.as_str())).collect();
        let mut accounts = accounts::load_locked(tx, &members).await?;
        let members: Vec<MemberId> = new.into_iter().collect();
        let lots = activations::take_lots(tx, &members, None).await?;
        if lots.is_empty() {
            return Ok(Fates::done());
        }
        let pending = entries::load_pending(tx, &members, &lots.iter().map(|lot| lot.lot_id).collect::<Vec<_>>()).await?;
        // Decide.
        let mut next_id = ids(cx, out);
        let mut moved = Vec::new();
        for (member_id, pending) in &pending {
            let account = accounts.get_mut(member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
            moved.extend(decide_activation(account, pending, out.now(), &mut next_id));
        }
        // Save.
        entries::save_entries(tx, &moved.iter().collect::<Vec<_>>()).await?;
        activations::save_lots(tx, &lots, out.now()).await?;
        accounts::save(tx, &accounts).await?;
        Ok(Fates::done())
    }
}
