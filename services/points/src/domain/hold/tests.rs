use super::*;
use crate::domain::{account::hash_of, samples::member};

fn day(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

fn lot(number: u128, points: i64, expires_on: &str) -> LotPart {
    LotPart {
        lot_id: Uuid::from_u128(number),
        store: StoreCode::try_new("SH01").expect("store"),
        document: format!("R{number}"),
        expires_on: day(expires_on),
        points: Points(points),
    }
}

/// A member with lots, a day, and everything that was posted.
struct Book {
    account: Account,
    lots: Lots,
    entries: Vec<Entry>,
    today: NaiveDate,
    ids: u128,
}

impl Book {
    fn new(lots: Vec<LotPart>) -> Self {
        let mut account = Account::new(member(1), "M1".to_owned());
        account.balance.active = lots.iter().map(|lot| lot.points).sum();
        Self { account, lots: Lots::new(lots), entries: Vec::new(), today: day("2026-10-01"), ids: 1_000 }
    }

    fn at(&self) -> DateTime<Utc> {
        self.today.and_hms_opt(4, 0, 0).expect("time").and_utc()
    }

    fn decide<T>(&mut self, decide: impl FnOnce(&mut Account, &mut Lots, &mut Moment<'_>) -> T) -> T {
        let (at, today, ids) = (self.at(), self.today, &mut self.ids);
        let mut next_id = || {
            *ids += 1;
            Uuid::from_u128(*ids)
        };
        decide(&mut self.account, &mut self.lots, &mut Moment { at, today, next_id: &mut next_id })
    }

    fn hold(&mut self, points: i64) -> Result<(Hold, Vec<HeldPart>), Refused> {
        let hold = Hold {
            hold_id: Uuid::from_u128(7),
            member_id: member(1),
            store: StoreCode::try_new("SH02").expect("store"),
            points: Points(points),
            captured: Points::ZERO,
            state: HoldState::Open,
            program_version: 3,
            created_at: self.at(),
            expires_at: self.at() + TimeDelta::seconds(600),
            document: None,
            returned: false,
        };
        let entries = self.decide(|account, lots, now| decide_hold(account, lots, &hold, now))?;
        let parts = self.parts(&entries);
        self.entries.extend(entries);
        Ok((hold, parts))
    }

    fn parts(&self, entries: &[Entry]) -> Vec<HeldPart> {
        let part = |entry: &Entry| {
            let lot = self.lots.find(entry.movement.lot_id).expect("lot").clone();
            HeldPart { entry_id: entry.movement.entry_id, lot: LotPart { points: entry.movement.points, ..lot } }
        };
        entries.iter().map(part).collect()
    }

    fn capture(
        &mut self,
        hold: &mut Hold,
        parts: &[HeldPart],
        points: i64,
        document: Option<&str>,
    ) -> Result<(Vec<HeldPart>, Back), Refused> {
        let (spent, back) =
            self.decide(|account, lots, now| decide_capture(account, lots, hold, parts, (Points(points), document), now))?;
        let parts = self.parts(&spent);
        self.entries.extend(spent.into_iter().chain(back.entries.clone()));
        Ok((parts, back))
    }

    fn release(&mut self, hold: &mut Hold, parts: &[HeldPart]) -> Back {
        let back = self.decide(|account, lots, now| decide_release(account, lots, hold, parts, HoldState::Released, now));
        self.entries.extend(back.entries.clone());
        back
    }

    fn void(&mut self, hold: &mut Hold, spent: &[HeldPart], grace_days: u32) -> Back {
        let back = self.decide(|account, lots, now| decide_return(account, lots, hold, spent, grace_days, now));
        self.entries.extend(back.entries.clone());
        back
    }

    /// active, reserved, debt; the lots hold what is active, and the chain is whole.
    fn balance(&self) -> (i64, i64, i64) {
        assert_eq!(self.lots.total(), self.account.balance.active);
        let mut head = [0; 32];
        for entry in &self.entries {
            assert_eq!(hash_of(&head, entry), entry.hash);
            head = entry.hash;
        }
        let own = self.account.balance;
        (own.active.0, own.reserved.0, own.debt.0)
    }

    /// Takes back what was earned and spent: it is owed.
    fn owe(&mut self, points: i64) {
        let of = lot(1, points, "2028-10-31");
        let movement = self.decide(|_, _, now| Movement::of_lot(&of, EntryKind::Reversal, (now.next_id)(), now.at));
        let entry = self.account.transfer(Side::Debt, Side::Outside("issued:SH01".to_owned()), movement);
        self.entries.push(entry);
    }

    fn kinds(&self) -> Vec<(&'static str, i64)> {
        self.entries.iter().map(|entry| (entry.movement.kind.as_str(), entry.movement.points.0)).collect()
    }
}

#[test]
fn a_hold_takes_what_ends_first_and_is_spent_in_that_order() {
    let mut book = Book::new(vec![lot(1, 500, "2028-12-31"), lot(2, 700, "2028-10-31")]);
    assert_eq!(book.hold(1_201), Err(Refused::Insufficient));
    let (mut hold, parts) = book.hold(1_000).expect("held");
    assert_eq!(book.balance(), (200, 1_000, 0));
    let (spent, back) = book.capture(&mut hold, &parts, 800, Some("R9")).expect("captured");
    assert_eq!((book.balance(), back.points.0, hold.captured.0), ((400, 0, 0), 200, 800));
    assert_eq!(spent.iter().map(|part| (part.lot.lot_id.as_u128(), part.lot.points.0)).collect::<Vec<_>>(), [(2, 700), (1, 100)]);
    assert_eq!(book.kinds(), [("hold", 700), ("hold", 300), ("capture", 700), ("capture", 100), ("release", 200)]);
    let captured = &book.entries[2];
    assert_eq!((captured.credit.as_ref(), captured.movement.document.as_str()), ("redeemed:SH02", "R9"));
    assert_eq!(captured.movement.of_entry, Some(book.entries[0].movement.entry_id));
    assert_eq!(book.capture(&mut hold, &parts, 1, None).map(|_| ()), Err(Refused::Resolved));
}

#[test]
fn a_hold_is_resolved_in_its_time_and_not_beyond_its_points() {
    let mut book = Book::new(vec![lot(1, 500, "2028-12-31")]);
    let (mut hold, parts) = book.hold(500).expect("held");
    assert_eq!(book.capture(&mut hold, &parts, 501, None).map(|_| ()), Err(Refused::Exceeded));
    let (made, later) = (hold.created_at, hold.created_at + TimeDelta::seconds(600));
    assert_eq!((hold.ensure_open(made), hold.ensure_open(later)), (Ok(()), Err(Refused::Expired)));
    assert_eq!(Hold::decide_expiry(made, made, 600, 900), Ok(later));
    assert_eq!(Hold::decide_expiry(made, made + TimeDelta::seconds(300), 600, 900), Ok(made + TimeDelta::seconds(900)));
    assert_eq!(Hold::decide_expiry(made, made + TimeDelta::seconds(301), 600, 900), Err(Refused::TooLong));
}

#[test]
fn default_10_what_a_release_returns_repays_debt_first() {
    let mut book = Book::new(vec![lot(1, 1_000, "2028-10-31")]);
    let (mut hold, parts) = book.hold(1_000).expect("held");
    book.owe(1_000);
    assert_eq!(book.balance(), (0, 1_000, 1_000));
    let back = book.release(&mut hold, &parts);
    assert_eq!((book.balance(), back.points.0, back.repaid.0, back.expired.0), ((0, 0, 0), 1_000, 1_000, 0));
}

#[test]
fn default_9_held_points_outlive_their_end_and_die_on_release() {
    let mut book = Book::new(vec![lot(1, 300, "2026-10-31"), lot(2, 700, "2028-10-31")]);
    let (mut hold, parts) = book.hold(500).expect("held");
    book.today = day("2026-11-01");
    let back = book.release(&mut hold, &parts);
    assert_eq!((book.balance(), back.points.0, back.expired.0), ((700, 0, 0), 500, 300));
    let over = book.entries.last().expect("an entry");
    assert_eq!((over.credit.as_ref(), over.movement.kind, over.movement.store.as_str()), ("expired", EntryKind::Expiry, "SH01"));
    // Owed meanwhile: what counted as spent pays for that first, and only the rest of it ends.
    let mut book = Book::new(vec![lot(1, 300, "2026-10-31")]);
    let (mut hold, parts) = book.hold(300).expect("held");
    book.today = day("2026-11-01");
    book.owe(100);
    let back = book.release(&mut hold, &parts);
    assert_eq!((book.balance(), back.repaid.0, back.expired.0), ((0, 0, 0), 100, 200));
}

#[test]
fn a_voided_invoice_gives_back_to_the_lots_that_paid() {
    let mut book = Book::new(vec![lot(1, 300, "2026-10-31"), lot(2, 700, "2028-10-31")]);
    let (mut hold, parts) = book.hold(500).expect("held");
    let (spent, _) = book.capture(&mut hold, &parts, 400, Some("R9")).expect("captured");
    let back = book.void(&mut hold, &spent, 30);
    assert_eq!((book.balance(), back.points.0, back.new_lots.len(), hold.returned), ((1_000, 0, 0), 400, 0, true));
    assert_eq!(book.lots.find(Uuid::from_u128(1)).map(|lot| lot.points), Some(Points(300)));
    let last = book.entries.last().expect("an entry");
    assert_eq!(
        (last.debit.as_str(), last.movement.kind, last.movement.rule.as_str()),
        ("redeemed:SH02", EntryKind::Return, hold.spending_rule().as_str())
    );
}

#[test]
fn what_comes_back_too_late_lives_by_the_programs_grace_or_ends() {
    for (grace, active, new_lots, expired) in [(30, 1_000, 1, 0), (0, 700, 0, 300)] {
        let mut book = Book::new(vec![lot(1, 300, "2026-10-31"), lot(2, 700, "2028-10-31")]);
        let (mut hold, parts) = book.hold(400).expect("held");
        let (spent, _) = book.capture(&mut hold, &parts, 400, Some("R9")).expect("captured");
        book.today = day("2026-12-01");
        let back = book.void(&mut hold, &spent, grace);
        assert_eq!((book.balance(), back.points.0, back.expired.0), ((active, 0, 0), 400, expired));
        assert_eq!(
            back.new_lots.iter().map(|lot| (lot.points.0, lot.expires_on.to_string(), lot.store.to_string())).collect::<Vec<_>>(),
            vec![(300, "2026-12-31".to_owned(), "SH01".to_owned()); new_lots]
        );
    }
}

#[test]
fn what_comes_back_from_a_void_repays_a_debt() {
    let mut book = Book::new(vec![lot(1, 500, "2028-10-31")]);
    let (mut hold, parts) = book.hold(500).expect("held");
    let (spent, _) = book.capture(&mut hold, &parts, 500, Some("R9")).expect("captured");
    book.owe(200);
    let back = book.void(&mut hold, &spent, 30);
    assert_eq!((book.balance(), back.repaid.0), ((300, 0, 0), 200));
}
