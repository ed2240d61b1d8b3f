//! Points held for a redemption: reserved lot by lot, then spent, or given back. (DOMAIN exact defaults 9 and 10.)
//!
//! A hold is resolved once: captured, released or expired. What comes back goes to the lots that it was taken from. It repays a debt
//! first, since held points count as spent when something earned is taken back; what is then left of a lot whose last day is over
//! ends. Who is frozen keeps what is held and gets it back, but neither holds nor spends.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use jifen_contracts::{endpoint::HoldState, event::EntryKind};
use jifen_kernel::{MemberId, Points, StoreCode};
use uuid::Uuid;

use super::{
    account::{Account, Entry, Movement, Side},
    ending::EXPIRED,
    lots::{LotPart, Lots, repay},
};

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its key.
    pub hold_id: Uuid,
    /// Whose points.
    pub member_id: MemberId,
    /// Where they will be spent.
    pub store: StoreCode,
    /// How many it was made for.
    pub points: Points,
    /// Spent of it.
    pub captured: Points,
    /// How it stands.
    pub state: HoldState,
    /// The rules under which it was made.
    pub program_version: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it comes back unless it is resolved before.
    pub expires_at: DateTime<Utc>,
    /// What was paid for.
    pub document: Option<String>,
    /// The invoice was voided, and what was spent came back.
    pub returned: bool,
}

/// Points of a hold, or of a capture, in one lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPart {
    /// The entry that reserved or spent them.
    pub entry_id: Uuid,
    /// Their lot as it is now, and how many.
    pub lot: LotPart,
}

/// Why a hold can't be made or resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too few spendable points.
    #[error("not enough spendable points")]
    Insufficient,
    /// The account is frozen.
    #[error("the account is frozen")]
    Frozen,
    /// Captured or released before.
    #[error("resolved before")]
    Resolved,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// More than was held.
    #[error("more than was held")]
    Exceeded,
    /// Beyond the program's limit.
    #[error("too long")]
    TooLong,
}

/// When something is decided, and where its keys come from.
pub struct Moment<'a> {
    /// Now.
    pub at: DateTime<Utc>,
    /// The local day.
    pub today: NaiveDate,
    /// New keys.
    pub next_id: &'a mut dyn FnMut() -> Uuid,
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Back {
    /// In their order.
    pub entries: Vec<Entry>,
    /// Lots made for it: they are written by themselves.
    pub new_lots: Vec<LotPart>,
    /// Of these: which lot's end was over.
    pub graces: Vec<(Uuid, Uuid)>,
    /// How many points.
    pub points: Points,
    /// Of these: repaid a debt.
    pub repaid: Points,
    /// Of these: ended, since their last day was over.
    pub expired: Points,
    /// What ended, lot by lot.
    pub ended: Vec<LotPart>,
}

/// The account of a store where points are spent.
pub fn redeemed_at(store: &StoreCode) -> String {
    format!("redeemed:{store}")
}

impl Hold {
    /// When it would expire `seconds` from now; refused beyond the limit, counted from when it was made.
    pub fn decide_expiry(created_at: DateTime<Utc>, at: DateTime<Utc>, seconds: u32, longest_s: u32) -> Result<DateTime<Utc>, Refused> {
        let until = at + TimeDelta::seconds(i64::from(seconds));
        if until > created_at + TimeDelta::seconds(i64::from(longest_s)) { Err(Refused::TooLong) } else { Ok(until) }
    }

    /// Can still be captured, released or extended.
    pub fn ensure_open(&self, at: DateTime<Utc>) -> Result<(), Refused> {
        match self.state {
            HoldState::Open if self.expires_at > at => Ok(()),
            // The job that gives it back may not have come yet: it is over all the same.
            HoldState::Open | HoldState::Expired => Err(Refused::Expired),
            HoldState::Captured | HoldState::Released => Err(Refused::Resolved),
        }
    }

    /// The rule of entries whose document is not the hold: so entries of two holds for one invoice differ.
    pub fn spending_rule(&self) -> String {
        format!("hold:{}@{}", self.hold_id, self.program_version)
    }

    fn movement(&self, part: &LotPart, kind: EntryKind, of_entry: Option<Uuid>, now: &mut Moment<'_>) -> Movement {
        let rule = format!("hold@{}", self.program_version);
        let (store, document) = (self.store.clone(), self.hold_id.to_string());
        Movement { store, document, rule, of_entry, ..Movement::of_lot(part, kind, (now.next_id)(), now.at) }
    }

    fn spending(&self, part: &LotPart, kind: EntryKind, document: Option<&str>, of_entry: Uuid, now: &mut Moment<'_>) -> Movement {
        let plain = self.movement(part, kind, Some(of_entry), now);
        Movement { rule: self.spending_rule(), document: document.map_or(plain.document, str::to_owned), ..plain }
    }
}

/// Reserves points, those that end first.
pub fn decide_hold(account: &mut Account, lots: &mut Lots, hold: &Hold, now: &mut Moment<'_>) -> Result<Vec<Entry>, Refused> {
    let taken = lots.take_live(hold.points, now.today).ok_or(Refused::Insufficient)?;
    let reserve = |part: &LotPart| {
        let movement = hold.movement(part, EntryKind::Hold, None, now);
        account.transfer(Side::Active, Side::Reserved, movement)
    };
    Ok(taken.iter().map(reserve).collect())
}

/// Spends held points, all of them or the first of them; the rest comes back.
pub fn decide_capture(
    account: &mut Account,
    lots: &mut Lots,
    hold: &mut Hold,
    parts: &[HeldPart],
    (points, document): (Points, Option<&str>),
    now: &mut Moment<'_>,
) -> Result<(Vec<Entry>, Back), Refused> {
    hold.ensure_open(now.at)?;
    if points > hold.points {
        return Err(Refused::Exceeded);
    }
    let (spent, rest) = split(parts, points);
    let mut entries = Vec::with_capacity(spent.len());
    for part in &spent {
        let movement = hold.spending(&part.lot, EntryKind::Capture, document, part.entry_id, now);
        entries.push(account.transfer(Side::Reserved, Side::Outside(redeemed_at(&hold.store)), movement));
    }
    (hold.state, hold.captured, hold.document) = (HoldState::Captured, points, document.map(str::to_owned));
    Ok((entries, release(account, lots, hold, &rest, now)))
}

/// The first so many points, and the others.
fn split(parts: &[HeldPart], points: Points) -> (Vec<HeldPart>, Vec<HeldPart>) {
    let (mut missing, mut first, mut others) = (points, Vec::new(), Vec::new());
    for part in parts {
        let taken = part.lot.points.min(missing);
        missing = missing - taken;
        for (points, into) in [(taken, &mut first), (part.lot.points - taken, &mut others)] {
            if points.is_positive() {
                into.push(HeldPart { entry_id: part.entry_id, lot: LotPart { points, ..part.lot.clone() } });
            }
        }
    }
    (first, others)
}

/// Gives held points back; `state` says why.
pub fn decide_release(
    account: &mut Account,
    lots: &mut Lots,
    hold: &mut Hold,
    parts: &[HeldPart],
    state: HoldState,
    now: &mut Moment<'_>,
) -> Back {
    hold.state = state;
    release(account, lots, hold, parts, now)
}

fn release(account: &mut Account, lots: &mut Lots, hold: &Hold, parts: &[HeldPart], now: &mut Moment<'_>) -> Back {
    let mut back = Back::default();
    for HeldPart { entry_id, lot } in parts {
        let movement = hold.movement(lot, EntryKind::Release, Some(*entry_id), now);
        back.put(account, lots, lot, Side::Reserved, movement);
    }
    back.settle(account, lots, (parts.iter().map(|part| &part.lot), hold.program_version), now);
    back
}

/// Gives spent points back, since what they paid for was voided: to their lots, with the end that those have. Where that is over,
/// they live for `grace_days` more, in a lot of their own with the same funder; with none they end.
pub fn decide_return(
    account: &mut Account,
    lots: &mut Lots,
    hold: &mut Hold,
    spent: &[HeldPart],
    grace_days: u32,
    now: &mut Moment<'_>,
) -> Back {
    let mut back = Back::default();
    let mut returned = Vec::with_capacity(spent.len());
    for HeldPart { entry_id, lot } in spent {
        let over = lot.expires_on < now.today && grace_days > 0;
        let until = now.today.checked_add_days(Days::new(u64::from(grace_days))).filter(|_| over);
        let into = until.map_or_else(|| lot.clone(), |expires_on| LotPart { lot_id: (now.next_id)(), expires_on, ..lot.clone() });
        let movement = hold.spending(&into, EntryKind::Return, hold.document.as_deref(), *entry_id, now);
        back.put(account, lots, &into, Side::Outside(redeemed_at(&hold.store)), movement);
        if over {
            back.new_lots.push(into.clone());
            back.graces.push((into.lot_id, lot.lot_id));
        }
        returned.push(into);
    }
    hold.returned = true;
    back.settle(account, lots, (returned.iter(), hold.program_version), now);
    back
}

impl Back {
    fn put(&mut self, account: &mut Account, lots: &mut Lots, part: &LotPart, from: Side, movement: Movement) {
        self.points += part.points;
        self.entries.push(account.transfer(from, Side::Active, movement));
        lots.put_back(part);
    }

    /// A debt is repaid; what is left of lots whose last day is over ends.
    fn settle<'a>(
        &mut self,
        account: &mut Account,
        lots: &mut Lots,
        (parts, version): (impl Iterator<Item = &'a LotPart>, u32),
        now: &mut Moment<'_>,
    ) {
        let repayments = repay(account, lots, now.at, now.next_id);
        self.repaid = repayments.iter().map(|entry| entry.movement.points).sum();
        self.entries.extend(repayments);
        for part in parts.filter(|part| part.expires_on < now.today) {
            if let Some(over) = lots.take_of(part.lot_id, part.points) {
                self.expired += over.points;
                let ended = Movement::of_lot(&over, EntryKind::Expiry, (now.next_id)(), now.at);
                let movement = Movement { rule: format!("expiry@{version}"), ..ended };
                self.entries.push(account.transfer(Side::Active, Side::Outside(EXPIRED.to_owned()), movement));
                self.ended.push(over);
            }
        }
    }
}

#[cfg(test)]
mod tests;
