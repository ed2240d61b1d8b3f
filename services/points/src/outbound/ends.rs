//! What becomes of points by the passing of time.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{Activated, Expired, Expiring, RevivalCause, Revived};
use jifen_kernel::StoreCode;

use super::posted_entry;
use crate::{
    domain::{
        account::{Account, Entry},
        activity::Done,
        ending::{Ended, funded_by},
    },
    store::ending::Ending,
};

/// What of an account became spendable, document by document.
pub fn activated(account: &Account, entries: &[Entry], at: DateTime<Utc>) -> Vec<Activated> {
    let mut documents: BTreeMap<_, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        let said = &entry.movement;
        documents.entry((said.source, &said.store, &said.document)).or_default().push(entry);
    }
    let event = |((source, store, document), entries): (_, Vec<&Entry>)| Activated {
        source,
        store: StoreCode::clone(store),
        document: String::clone(document),
        member_id: account.member_id,
        member_no: account.member_no.clone(),
        at,
        entries: entries.into_iter().map(posted_entry).collect(),
        balance: account.balance,
    };
    documents.into_iter().map(event).collect()
}

/// Points of a member that ended with a day; `None` if there were none.
pub fn expired(account: &Account, ended: &Ended, program_version: u32, at: DateTime<Utc>) -> Option<Expired> {
    Some(Expired {
        store: ended.funded_by.first()?.store.clone(),
        member_id: account.member_id,
        member_no: account.member_no.clone(),
        on: ended.on,
        points: ended.points(),
        funded_by: ended.funded_by.clone(),
        program_version,
        at,
        balance: account.balance,
    })
}

/// Points of a member that had ended and live again; `None` if there are none.
pub fn revived(
    account: &Account,
    done: &Done,
    (cause, document): (RevivalCause, Option<String>),
    program_version: u32,
    at: DateTime<Utc>,
) -> Option<Revived> {
    Some(Revived {
        store: done.funded_by.first()?.store.clone(),
        member_id: account.member_id,
        member_no: account.member_no.clone(),
        cause,
        document,
        points: done.points(),
        funded_by: done.funded_by.clone(),
        repaid: done.repaid(),
        until: done.revived.lots.first()?.expires_on,
        program_version,
        at,
        balance: account.balance,
    })
}

/// Points of a member that will end; `None` if there are none.
pub fn expiring(ending: &Ending, (on, days): (NaiveDate, u32), program_version: u32, at: DateTime<Utc>) -> Option<Expiring> {
    let funded = funded_by(ending.points.iter().map(|(store, points)| (store, *points)));
    Some(Expiring {
        store: funded.first()?.store.clone(),
        member_id: ending.member_id,
        member_no: ending.member_no.clone(),
        on,
        days,
        points: funded.iter().map(|funded| funded.points).sum(),
        program_version,
        at,
        balance: ending.balance,
    })
}
