//! `member.activated`: what waited for it becomes spendable, once; what comes later from before it is spendable at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::event::MemberActivated;
use jifen_kernel::MemberId;
use jifen_runtime::{BadRow, BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ids;
use crate::{
    domain::{
        account::{Account, Entry},
        activation::decide_activation,
        lots::{LotPart, Lots, repay},
    },
    store::{
        accounts,
        activations::{self, PendingLot},
        entries,
    },
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
        let mut lots = activations::take_lots(tx, &members, None).await?;
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
            moved.extend(repay_with(account, &mut lots, out.now(), &mut next_id)?);
        }
        // Save.
        entries::save_entries(tx, &moved.iter().collect::<Vec<_>>()).await?;
        activations::save_lots(tx, &lots, out.now()).await?;
        accounts::save(tx, &accounts).await?;
        Ok(Fates::done())
    }
}

/// A debt is repaid with what has just become spendable.
fn repay_with(
    account: &mut Account,
    lots: &mut [PendingLot],
    at: DateTime<Utc>,
    next_id: &mut dyn FnMut() -> Uuid,
) -> Result<Vec<Entry>, Failure> {
    if !account.balance.debt.is_positive() {
        return Ok(Vec::new());
    }
    let mut own: Vec<&mut PendingLot> = lots.iter_mut().filter(|lot| lot.member_id == account.member_id).collect();
    let parts: Result<Vec<LotPart>, BadRow> = own.iter().map(|lot| lot.part()).collect();
    let mut spendable = Lots::new(parts?);
    let repayments = repay(account, &mut spendable, at, next_id);
    for (lot_id, left) in spendable.changed() {
        own.iter_mut().filter(|lot| lot.lot_id == lot_id).for_each(|lot| lot.remaining = left);
    }
    Ok(repayments)
}
