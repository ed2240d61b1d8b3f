//! What accruals that are settled where they are posted have in common: the accounts' locks are their claim's, so each is decided
//! once, whatever the number of copies.

use std::collections::BTreeSet;

use jifen_contracts::event::AccrualSource;
use jifen_kernel::MemberId;
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;

use super::{correct::Concerned, ids};
use crate::{
    domain::direct::{Decision, DirectAccrual, decide_credit},
    outbound,
    store::{
        accounts::{self, Accounts},
        accruals::DocumentKey,
        activations, direct, entries,
    },
};

/// A document to be decided, and what its effects inherit.
pub struct Due<'a, T> {
    /// What it says.
    pub accrual: DirectAccrual,
    /// Its rule.
    pub rule: T,
    /// What its effects inherit.
    pub cause: &'a Cause,
}

/// Locked accounts, and the documents among the given ones that are new, in their order.
pub struct Opened<'a, T> {
    accounts: Accounts,
    activated: BTreeSet<MemberId>,
    /// What is to be decided.
    pub due: Vec<Due<'a, T>>,
}

fn key_of(accrual: &DirectAccrual) -> DocumentKey {
    (accrual.store.to_string(), accrual.document.clone())
}

/// Locks the accounts, and those of `others` with them; drops what is posted already or stands there twice. All are of one source.
pub async fn open<'a, T>(
    tx: &mut PgConnection,
    source: AccrualSource,
    due: Vec<Due<'a, T>>,
    others: &Concerned<'_>,
) -> Result<Opened<'a, T>, Failure> {
    let mut members = others.clone();
    members.extend(due.iter().map(|due| (due.accrual.member_id, due.accrual.member_no.as_str())));
    let accounts = accounts::load_locked(tx, &members).await?;
    // In later statements: they see what the locks waited for.
    let keys: Vec<DocumentKey> = due.iter().map(|due| key_of(&due.accrual)).collect();
    let mut claimed = direct::load_claimed(tx, source, &keys).await?;
    let due: Vec<Due<'_, T>> = due.into_iter().filter(|due| claimed.insert(key_of(&due.accrual))).collect();
    let awaiting = due.iter().filter(|due| due.accrual.awaiting).map(|due| due.accrual.member_id).collect();
    let activated = activations::load(tx, &awaiting).await?;
    Ok(Opened { accounts, activated, due })
}

/// Posts and settles what `decide` says of each, in their order; gives the locked accounts as they are then.
pub async fn post<T>(
    cx: &Ctx,
    tx: &mut PgConnection,
    opened: Opened<'_, T>,
    mut decide: impl FnMut(&Due<'_, T>) -> Decision,
    out: &mut Outbox,
) -> Result<Accounts, Failure> {
    let Opened { mut accounts, activated, due } = opened;
    if due.is_empty() {
        return Ok(accounts);
    }
    let mut next_id = ids(cx, out);
    let mut postings = Vec::with_capacity(due.len());
    let mut decided = Vec::with_capacity(due.len());
    for due in &due {
        let accrual = &due.accrual;
        let account = accounts.get_mut(&accrual.member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
        let decision = decide(due);
        let pending = accrual.awaiting && !activated.contains(&accrual.member_id);
        let posting = decide_credit(account, accrual, decision.points, pending, out.now(), &mut next_id);
        out.event(due.cause, Some(account.sequence), &outbound::direct_settled(accrual, &posting.entries, account.balance));
        postings.push(posting);
        decided.push((accrual, decision));
    }
    direct::save(tx, &decided, out.now()).await?;
    entries::save(tx, &postings, out.now()).await?;
    accounts::save(tx, &accounts).await?;
    Ok(accounts)
}
