//! Adjustments by staff: within a role's limits, above them with a second person, never by one alone who asked for it.
//!
//! What is given is a lot that the named store funds; it doesn't qualify and isn't part of the lifetime (DOMAIN exact default 11).
//! What is taken comes from the lots that end first, never below zero.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    endpoint::{AdjustmentState, Staff},
    event::EntryKind,
    program::{AdjustmentRole, Adjustments, Expiry},
};
use jifen_kernel::{MemberId, Points, StoreCode, Token};
use uuid::Uuid;

use super::{
    account::{Account, Entry, Movement, Side},
    expiry::expires_on,
    hold::Moment,
    lots::{LotPart, Lots, repay},
};

/// An adjustment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Its key.
    pub adjustment_id: Uuid,
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store that it is charged to.
    pub store: StoreCode,
    /// Given, or taken where negative.
    pub points: Points,
    /// The program's reason.
    pub reason: Token,
    /// More about it.
    pub note: Option<String>,
    /// How it stands.
    pub state: AdjustmentState,
    /// The rules under which it was asked for.
    pub program_version: u32,
    /// Who asked for it.
    pub by: Staff,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The second person, and when that one decided.
    pub decided: Option<(Staff, DateTime<Utc>)>,
}

/// Why an adjustment isn't made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such role.
    #[error("the role may not adjust")]
    UnknownRole,
    /// Above what the role may ask for or approve.
    #[error("above the role's limit")]
    OverLimit,
    /// Whoever asked decides.
    #[error("nobody decides on an adjustment of their own")]
    Own,
    /// Posted or rejected before.
    #[error("decided before")]
    Resolved,
    /// Points are to be taken from a frozen account.
    #[error("the account is frozen")]
    Frozen,
    /// Too few spendable points.
    #[error("not enough spendable points")]
    Insufficient,
}

fn role<'a>(rules: &'a Adjustments, by: &Staff) -> Result<&'a AdjustmentRole, Refused> {
    rules.role(&by.role).ok_or(Refused::UnknownRole)
}

fn size(points: Points) -> Points {
    Points(points.0.saturating_abs())
}

/// Whether it is posted at once, or waits for a second person.
pub fn decide_request(rules: &Adjustments, by: &Staff, points: Points) -> Result<AdjustmentState, Refused> {
    let role = role(rules, by)?;
    if size(points) <= role.alone {
        Ok(AdjustmentState::Posted)
    } else if size(points) <= role.with_approval {
        Ok(AdjustmentState::Waiting)
    } else {
        Err(Refused::OverLimit)
    }
}

/// Whether this person may decide on it; who rejects needs the right to approve some, whatever the size.
pub fn decide_second(rules: &Adjustments, adjustment: &Adjustment, by: &Staff, approve: bool) -> Result<(), Refused> {
    if adjustment.state != AdjustmentState::Waiting {
        return Err(Refused::Resolved);
    }
    if adjustment.by.staff_id.to_lowercase() == by.staff_id.to_lowercase() {
        return Err(Refused::Own);
    }
    let role = role(rules, by)?;
    let least = if approve { size(adjustment.points) } else { Points(1) };
    if role.approves < least { Err(Refused::OverLimit) } else { Ok(()) }
}

/// What an adjustment moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adjusted {
    /// In their order.
    pub entries: Vec<Entry>,
    /// What was given: it is written by itself.
    pub new_lot: Option<LotPart>,
    /// Of what was given: repaid a debt.
    pub repaid: Points,
}

/// Moves the points.
pub fn decide_posting(
    account: &mut Account,
    lots: &mut Lots,
    frozen: bool,
    adjustment: &Adjustment,
    expiry: &Expiry,
    now: &mut Moment<'_>,
) -> Result<Adjusted, Refused> {
    let said = |part: &LotPart, now: &mut Moment<'_>| Movement {
        store: adjustment.store.clone(),
        document: adjustment.adjustment_id.to_string(),
        rule: format!("adjustment:{}@{}", adjustment.reason, adjustment.program_version),
        ..Movement::of_lot(part, EntryKind::Adjustment, (now.next_id)(), now.at)
    };
    let outside = || Side::Outside("adjusted".to_owned());
    if adjustment.points.is_positive() {
        let lot = given(adjustment, expires_on(expiry, now.today, now.today), now);
        let movement = said(&lot, now);
        let mut entries = vec![account.transfer(outside(), Side::Active, movement)];
        lots.put_back(&lot);
        let repayments = repay(account, lots, now.at, now.next_id);
        let repaid = repayments.iter().map(|entry| entry.movement.points).sum();
        entries.extend(repayments);
        return Ok(Adjusted { entries, new_lot: Some(lot), repaid });
    }
    if frozen {
        return Err(Refused::Frozen);
    }
    let taken = lots.take_live(size(adjustment.points), now.today).ok_or(Refused::Insufficient)?;
    let mut entries = Vec::with_capacity(taken.len());
    for part in &taken {
        let movement = said(part, now);
        entries.push(account.transfer(Side::Active, outside(), movement));
    }
    Ok(Adjusted { entries, ..Adjusted::default() })
}

fn given(adjustment: &Adjustment, expires_on: NaiveDate, now: &mut Moment<'_>) -> LotPart {
    LotPart {
        lot_id: (now.next_id)(),
        store: adjustment.store.clone(),
        document: adjustment.adjustment_id.to_string(),
        expires_on,
        points: adjustment.points,
    }
}

#[cfg(test)]
mod tests;
