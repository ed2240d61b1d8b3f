//! `member.activated`: what waited for it and for nothing else becomes spendable, once; what comes later from before it is spendable at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::event::MemberActivated;
use jifen_kernel::{MemberId, clock};
use jifen_runtime::{BadRow, BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ids;
use crate::{
    domain::{
        account::{Account, Entry},
        activation::decide_activation,
        lots::{LotPart, Lots, repay},
    },
    outbound,
    store::{
        accounts::{self, Accounts},
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
        let accounts = accounts::load_locked(tx, &members).await?;
        let members: Vec<MemberId> = new.into_iter().collect();
        let today = cx.programs.in_force_at(out.now()).map(|applied| clock::local_date(out.now(), applied.program.time_zone()));
        let today = today.ok_or_else(|| Failure::transient("no program is known yet"))?;
        let lots = activations::take_activated(tx, &members, today).await?;
        activate(cx, tx, accounts, lots, out).await?;
        Ok(Fates::done())
    }
}

/// Makes lots spendable that waited, of locked accounts, and says so document by document; gives the accounts as they are then.
pub async fn activate(
    cx: &Ctx,
    tx: &mut PgConnection,
    mut accounts: Accounts,
    mut lots: Vec<PendingLot>,
    out: &mut Outbox,
) -> Result<Accounts, Failure> {
    if lots.is_empty() {
        return Ok(accounts);
    }
    let pending = entries::load_pending(tx, &lots.iter().map(PendingLot::key).collect::<Vec<_>>()).await?;
    // Decide.
    let mut next_id = ids(cx, out);
    let mut moved = Vec::new();
    for (member_id, pending) in &pending {
        let account = accounts.get_mut(member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
        let activated = decide_activation(account, pending, out.now(), &mut next_id);
        let repaid = repay_with(account, &mut lots, out.now(), &mut next_id)?;
        for event in outbound::activated(account, &activated, out.now()) {
            out.event(&Cause::default(), Some(account.sequence), &event);
        }
        moved.extend(activated.into_iter().chain(repaid));
    }
    // Save.
    entries::save_entries(tx, &moved.iter().collect::<Vec<_>>()).await?;
    activations::save_lots(tx, &lots, out.now()).await?;
    accounts::save(tx, &accounts).await?;
    Ok(accounts)
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
