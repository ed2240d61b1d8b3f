//! What a member's activity does to the ends of the member's lots: what lives slides on, and what had ended may come back. One activity
//! after the other, so that it makes no difference which of them came together. (DOMAIN "Lots, expiry, transfer".)

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{endpoint::LotChangeKind, event::FundedPoints, program::AppliedProgram};
use jifen_kernel::Points;
use uuid::Uuid;

use super::{
    account::{Account, Entry},
    ending::funded_by,
    expiry::slides_to,
    lot_change::{Revived, decide_revival, points_of, revives},
    lots::LotPart,
};

/// A bill that a member paid, or points that one spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// Its local day.
    pub day: NaiveDate,
    /// The local day on which it is known: what had ended before it stays so, whether or not the daily run has come.
    pub today: NaiveDate,
    /// Everything alive lives until then.
    pub slides_to: Option<NaiveDate>,
    /// What ended on this day and later, before its own, lives again until that day.
    pub revives: Option<(NaiveDate, NaiveDate)>,
    /// The rules applied.
    pub version: u32,
}

impl Activity {
    /// Something paid for on `day`; `paid_visit` says that a car was there for it. `None` where the rules make nothing of it.
    pub fn of(applied: &AppliedProgram, (day, today): (NaiveDate, NaiveDate), is_spending: bool, paid_visit: bool) -> Option<Self> {
        let expiry = &applied.program.expiry;
        let slides_to = slides_to(expiry, day).filter(|_| is_spending);
        let revives = expiry.revival.filter(|_| paid_visit).and_then(|rule| revives(rule, day, today));
        (slides_to.is_some() || revives.is_some()).then_some(Self { day, today, slides_to, revives, version: applied.version })
    }
}

/// A lot that ends with the rest of its member's: it has no end of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLot {
    /// The lot.
    pub lot_id: Uuid,
    /// Its last day.
    pub expires_on: NaiveDate,
}

/// An end that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedEnd {
    /// The lot.
    pub lot_id: Uuid,
    /// How.
    pub kind: LotChangeKind,
    /// The last day before.
    pub before: NaiveDate,
    /// The last day after it.
    pub after: NaiveDate,
    /// So many points live again.
    pub added: Points,
}

/// The lots of a locked account whose ends may be moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// Those that hold points, or whose points are held just then.
    pub live: Vec<LiveLot>,
    /// Those that ended unspent and never lived again, with what ended.
    pub ended: Vec<LotPart>,
}

/// What an activity did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Ends, in their order.
    pub moved: Vec<MovedEnd>,
    /// What lives again.
    pub revived: Revived,
    /// How many points came out of breakage, by who funded them.
    pub funded_by: Vec<FundedPoints>,
}

impl Ends {
    /// Takes an activity in.
    pub fn decide(&mut self, account: &mut Account, by: &Activity, at: DateTime<Utc>, next_id: &mut dyn FnMut() -> Uuid) -> Done {
        let mut done = Done { moved: self.slide(by), ..Done::default() };
        if let Some((from, until)) = by.revives {
            let is_due = |lot: &LotPart| (from..by.day).contains(&lot.expires_on);
            let (due, rest): (Vec<_>, _) = std::mem::take(&mut self.ended).into_iter().partition(is_due);
            self.ended = rest;
            done.revive(account, &due, (until, by.version), at, next_id);
        }
        done
    }

    /// Extends what lives.
    pub fn slide(&mut self, by: &Activity) -> Vec<MovedEnd> {
        let Some(until) = by.slides_to else { return Vec::new() };
        let reached = self.live.iter_mut().filter(|lot| lot.expires_on >= by.day.max(by.today) && lot.expires_on < until);
        let slide = |lot: &mut LiveLot| {
            let before = std::mem::replace(&mut lot.expires_on, until);
            MovedEnd { lot_id: lot.lot_id, kind: LotChangeKind::Activity, before, after: until, added: Points::ZERO }
        };
        reached.map(slide).collect()
    }
}

impl Done {
    /// Brings these lots back, until this day, under these rules.
    pub fn revive(
        &mut self,
        account: &mut Account,
        due: &[LotPart],
        (until, version): (NaiveDate, u32),
        at: DateTime<Utc>,
        next_id: &mut dyn FnMut() -> Uuid,
    ) {
        self.revived = decide_revival(account, due, until, version, at, next_id);
        self.funded_by = funded_by(due.iter().map(|lot| (&lot.store, lot.points)));
        for before in due {
            let left = self.revived.lots.iter().find(|lot| lot.lot_id == before.lot_id).map_or(before.points, |left| left.points);
            let (lot_id, kind) = (before.lot_id, LotChangeKind::Revival);
            self.moved.push(MovedEnd { lot_id, kind, before: before.expires_on, after: until, added: left });
        }
    }

    /// Points that came out of breakage.
    pub fn points(&self) -> Points {
        self.funded_by.iter().map(|funded| funded.points).sum()
    }

    /// Of these: repaid a debt.
    pub fn repaid(&self) -> Points {
        self.points() - points_of(&self.revived.lots)
    }

    /// What moved points, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.revived.entries
    }
}

#[cfg(test)]
mod tests {
    use jifen_contracts::program::{ExpiryMode, Revival};
    use jifen_kernel::StoreCode;

    use super::*;
    use crate::domain::samples::{applied, member};

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    fn ended(number: u128, points: i64, expires_on: &str) -> LotPart {
        LotPart {
            lot_id: Uuid::from_u128(number),
            store: StoreCode::try_new("SH01").expect("store"),
            document: format!("R{number}"),
            expires_on: day(expires_on),
            points: Points(points),
        }
    }

    fn live(number: u128, expires_on: &str) -> LiveLot {
        LiveLot { lot_id: Uuid::from_u128(number), expires_on: day(expires_on) }
    }

    /// A paid visit on this day, known on that one, under rules with both.
    fn visit(on: &str, today: &str) -> Activity {
        let mut applied = applied();
        applied.program.expiry.mode = ExpiryMode::Sliding;
        applied.program.expiry.revival = Some(Revival { within_days: 90, live_days: 60 });
        Activity::of(&applied, (day(on), day(today)), true, true).expect("something")
    }

    fn shown(done: &Done) -> Vec<(u128, String, i64)> {
        done.moved.iter().map(|moved| (moved.lot_id.as_u128(), moved.after.to_string(), moved.added.0)).collect()
    }

    #[test]
    fn each_visit_counts_as_if_it_had_come_alone() {
        let mut account = Account::new(member(1), "M1".to_owned());
        let mut ends = Ends { live: vec![live(1, "2027-02-01"), live(2, "2028-12-31")], ended: vec![ended(3, 100, "2026-09-30")] };
        let mut decide = |by: Activity| ends.decide(&mut account, &by, DateTime::UNIX_EPOCH, &mut Uuid::nil);
        // Dated before the end: brings nothing back, and extends what it reaches.
        let late = decide(visit("2026-09-20", "2026-10-05"));
        assert_eq!(shown(&late), [(1, "2028-09-20".to_owned(), 0)]);
        let next = decide(visit("2026-10-05", "2026-10-05"));
        assert_eq!(shown(&next), [(1, "2028-10-05".to_owned(), 0), (3, "2026-12-04".to_owned(), 100)]);
        assert_eq!((next.points(), next.repaid(), next.entries().len()), (Points(100), Points(0), 1));
        // What lives again has an end of its own, and lives again once.
        let third = decide(visit("2026-10-06", "2026-10-06"));
        assert_eq!(shown(&third), [(1, "2028-10-06".to_owned(), 0)]);
        assert_eq!(account.balance.active, Points(100));
    }

    #[test]
    fn what_has_ended_stays_so_before_the_daily_run_too() {
        let mut account = Account::new(member(1), "M1".to_owned());
        let mut ends = Ends { live: vec![live(1, "2027-02-01")], ended: Vec::new() };
        let late = ends.decide(&mut account, &visit("2027-01-15", "2027-02-02"), DateTime::UNIX_EPOCH, &mut Uuid::nil);
        assert_eq!(shown(&late), []);
        let last_day = ends.decide(&mut account, &visit("2027-01-15", "2027-02-01"), DateTime::UNIX_EPOCH, &mut Uuid::nil);
        assert_eq!(shown(&last_day), [(1, "2029-01-15".to_owned(), 0)]);
    }

    #[test]
    fn a_debt_is_repaid_out_of_what_came_back() {
        let mut account = Account::new(member(1), "M1".to_owned());
        account.balance.debt = Points(70);
        let mut ends = Ends { live: Vec::new(), ended: vec![ended(1, 100, "2026-09-30")] };
        let done = ends.decide(&mut account, &visit("2026-10-05", "2026-10-05"), DateTime::UNIX_EPOCH, &mut Uuid::nil);
        assert_eq!((done.points(), done.repaid(), done.moved[0].added), (Points(100), Points(70), Points(30)));
        assert_eq!(done.funded_by[0].points, Points(100), "breakage is less by all of it");
    }
}
