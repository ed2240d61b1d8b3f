//! What becomes of points by the passing of time.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{Expired, Expiring};

use crate::{
    domain::{
        account::Account,
        ending::{Ended, funded_by},
    },
    store::ending::Ending,
};

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
