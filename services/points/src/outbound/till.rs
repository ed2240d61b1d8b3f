//! Holds, adjustments and frozen accounts, in the contract's words.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    endpoint::HoldState,
    event::{self, Captured, Expired, Frozen, Held, ReleaseCause, Released, Returned, Unfrozen},
};
use jifen_kernel::Points;

use super::expired;
use crate::domain::{
    account::Account,
    adjustment::Adjustment,
    ending::by_day,
    hold::{Back, Hold},
};

/// Points are reserved.
pub fn held(hold: &Hold, account: &Account, at: DateTime<Utc>) -> Held {
    Held {
        hold_id: hold.hold_id,
        store: hold.store.clone(),
        member_id: hold.member_id,
        member_no: account.member_no.clone(),
        points: hold.points,
        expires_at: hold.expires_at,
        at,
        balance: account.balance,
    }
}

/// Held points were spent.
pub fn captured(hold: &Hold, account: &Account, back: &Back, at: DateTime<Utc>) -> Captured {
    Captured {
        hold_id: hold.hold_id,
        store: hold.store.clone(),
        document: hold.document.clone(),
        member_id: hold.member_id,
        member_no: account.member_no.clone(),
        points: hold.captured,
        released: back.points,
        repaid: back.repaid,
        expired: back.expired,
        at,
        balance: account.balance,
    }
}

/// Held points came back.
pub fn released(hold: &Hold, account: &Account, back: &Back, at: DateTime<Utc>) -> Released {
    Released {
        hold_id: hold.hold_id,
        store: hold.store.clone(),
        cause: if hold.state == HoldState::Expired { ReleaseCause::Expired } else { ReleaseCause::Asked },
        member_id: hold.member_id,
        member_no: account.member_no.clone(),
        points: back.points,
        repaid: back.repaid,
        expired: back.expired,
        at,
        balance: account.balance,
    }
}

/// Spent points came back.
pub fn returned(hold: &Hold, account: &Account, back: &Back, at: DateTime<Utc>) -> Returned {
    Returned {
        hold_id: hold.hold_id,
        store: hold.store.clone(),
        document: hold.document.clone().unwrap_or_default(),
        member_id: hold.member_id,
        member_no: account.member_no.clone(),
        points: back.points,
        repaid: back.repaid,
        expired: back.expired,
        at,
        balance: account.balance,
    }
}

/// What came back of a hold and ended there and then: breakage, as if the daily run had found it.
pub fn ended(hold: &Hold, account: &Account, back: &Back, at: DateTime<Utc>) -> Vec<Expired> {
    by_day(&back.ended).iter().filter_map(|ended| expired(account, ended, hold.program_version, at)).collect()
}

/// Staff corrected an account.
pub fn adjusted(adjustment: &Adjustment, account: &Account, repaid: Points, at: DateTime<Utc>) -> event::Adjusted {
    event::Adjusted {
        adjustment_id: adjustment.adjustment_id,
        store: adjustment.store.clone(),
        member_id: adjustment.member_id,
        member_no: account.member_no.clone(),
        points: adjustment.points,
        reason: adjustment.reason.clone(),
        repaid,
        at,
        balance: account.balance,
    }
}

/// An account was frozen.
pub fn frozen(account: &Account, at: DateTime<Utc>) -> Frozen {
    Frozen { member_id: account.member_id, member_no: account.member_no.clone(), at }
}

/// A frozen account can be spent from again.
pub fn unfrozen(account: &Account, at: DateTime<Utc>) -> Unfrozen {
    Unfrozen { member_id: account.member_id, member_no: account.member_no.clone(), at }
}
