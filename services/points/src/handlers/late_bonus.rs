//! Corrections that came before campaign's answer: the bonus is posted as it was granted, and what they had left no room for goes back
//! in the same transaction.

use std::collections::BTreeMap;

use jifen_contracts::event::{Bonus, BonusRule};
use jifen_kernel::{MemberId, Points};
use jifen_runtime::{Failure, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::correct::Books;
use crate::{
    domain::{
        account::Account,
        correct::{Change, Given, Keep, Making, Taken, decide_correction},
        lots::LotPart,
        net::Posted,
        post_invoice::Posting,
    },
    outbound,
    store::{accounts::Accounts, accruals::Settling, corrections::Standing},
};

/// From which paid amounts the fixed bonuses of an answer stay; its entries stand in the same order.
pub fn keep_of(bonuses: &[Bonus], posting: &Posting) -> Vec<Keep> {
    let pairs = bonuses.iter().zip(&posting.entries);
    let fixed = pairs.filter_map(|(bonus, entry)| match &bonus.rule {
        BonusRule::Fixed { keep_from, categories } => {
            Some(Keep { entry_id: entry.movement.entry_id, keep_from: *keep_from, categories: categories.clone() })
        }
        BonusRule::Multiplier { .. } => None,
    });
    fixed.collect()
}

/// What a batch of answers does to accruals that were corrected before.
#[derive(Default)]
pub struct Late {
    books: Books,
    taken: Vec<Taken>,
}

impl Late {
    /// Asks nothing if none of them was.
    pub async fn load(tx: &mut PgConnection, accounts: &Accounts, due: impl Iterator<Item = &Settling>) -> Result<Self, Failure> {
        let corrected: Vec<MemberId> = due.filter(|accrual| accrual.left.is_some()).map(|accrual| accrual.member_id).collect();
        if corrected.is_empty() {
            return Ok(Self::default());
        }
        let of: Accounts = accounts.iter().filter(|(id, _)| corrected.contains(id)).map(|(id, account)| (*id, account.clone())).collect();
        Ok(Self { books: Books::load(tx, &of, &[]).await?, taken: Vec::new() })
    }

    /// A bonus was posted: its lot is one of the member's, and what is not due of it goes back.
    pub fn posted(
        &mut self,
        (account, accrual): (&mut Account, &Settling),
        posting: &Posting,
        keep: &[Keep],
        cause: &Cause,
        next_id: &mut dyn FnMut() -> Uuid,
        out: &mut Outbox,
    ) {
        let Some((pools, _)) = self.books.members.get_mut(&accrual.member_id) else { return };
        let Some(first) = posting.entries.first() else { return };
        let said = &first.movement;
        for lot in &posting.lots {
            if lot.waits.is_some() {
                pools.pending.insert(lot.lot_id, lot.points);
            } else {
                let (store, document) = (said.store.clone(), said.document.clone());
                pools.lots.add(LotPart { lot_id: lot.lot_id, store, document, expires_on: said.expires_on, points: lot.remaining });
            }
        }
        let Some(left) = &accrual.left else { return };
        let given = |entry: &crate::domain::account::Entry| Given {
            funder: entry.debit.clone(),
            movement: entry.movement.clone(),
            taken: Points::ZERO,
            pending: entry.pending,
        };
        let mut bonuses: Vec<Given> = posting.entries.iter().map(given).collect();
        let none = BTreeMap::new();
        let change = Change { before: &left.net, after: &left.net, keep, grants: &none, by: &left.by };
        let mut making = Making { at: out.now(), next_id };
        let taken = decide_correction(account, pools, &mut bonuses, None, &change, &mut making);
        if let Some(reversed) = outbound::reversed(&standing(accrual), account, &change, &taken, out.now()) {
            out.event(cause, Some(account.sequence), &reversed);
        }
        self.taken.extend(taken);
    }

    /// Writes what went back, behind the postings. Asks nothing if nothing did.
    pub async fn save(self, tx: &mut PgConnection, accounts: &Accounts) -> Result<(), Failure> {
        self.books.save(tx, accounts, &self.taken).await
    }
}

fn standing(accrual: &Settling) -> Standing {
    Standing {
        member_id: accrual.member_id,
        member_no: accrual.member_no.clone(),
        store: accrual.open.store.clone(),
        document: accrual.open.document.clone(),
        business_date: accrual.open.business_date,
        program_version: accrual.program_version,
        vehicle: accrual.vehicle.clone(),
        posted: Posted { categories: Vec::new(), daily_left: None, visit: accrual.visit, paid_visit: accrual.paid_visit },
        left: None,
        keep: Vec::new(),
    }
}
