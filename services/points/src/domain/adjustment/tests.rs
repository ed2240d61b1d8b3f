use jifen_contracts::program::ExpiryMode;

use super::*;
use crate::domain::samples::member;

fn staff(staff_id: &str, role: &str) -> Staff {
    Staff { staff_id: staff_id.to_owned(), role: role.to_owned() }
}

fn adjustment(points: i64) -> Adjustment {
    Adjustment {
        adjustment_id: Uuid::from_u128(5),
        member_id: member(1),
        member_no: "M1".to_owned(),
        store: StoreCode::try_new("SH02").expect("store"),
        points: Points(points),
        reason: Token::try_new("goodwill").expect("token"),
        note: None,
        state: AdjustmentState::Waiting,
        program_version: 3,
        by: staff("A017", "advisor"),
        created_at: DateTime::UNIX_EPOCH,
        decided: None,
    }
}

#[test]
fn a_role_does_so_much_alone_and_so_much_with_another() {
    let rules = Adjustments::default();
    let ask = |role: &str, points: i64| decide_request(&rules, &staff("A", role), Points(points));
    assert_eq!(ask("store_manager", 1_000), Ok(AdjustmentState::Posted));
    assert_eq!(ask("store_manager", -1_001), Ok(AdjustmentState::Waiting));
    assert_eq!(ask("store_manager", -10_001), Err(Refused::OverLimit));
    assert_eq!(ask("advisor", 1), Ok(AdjustmentState::Waiting));
    assert_eq!(ask("cashier", 1), Err(Refused::UnknownRole));
    assert_eq!(ask("group_manager", i64::MIN), Err(Refused::OverLimit));
}

#[test]
fn nobody_decides_on_their_own_nor_above_their_limit_nor_twice() {
    let rules = Adjustments::default();
    let second =
        |points: i64, staff_id: &str, role: &str, approve| decide_second(&rules, &adjustment(points), &staff(staff_id, role), approve);
    assert_eq!(second(500, "S001", "store_manager", true), Ok(()));
    assert_eq!(second(-1_000, "S001", "store_manager", true), Ok(()));
    assert_eq!(second(1_001, "S001", "store_manager", true), Err(Refused::OverLimit));
    assert_eq!(second(1_001, "S001", "store_manager", false), Ok(()));
    assert_eq!(second(500, "a017", "group_manager", true), Err(Refused::Own), "another role is the same person");
    assert_eq!(second(500, "A017", "store_manager", false), Err(Refused::Own));
    assert_eq!(second(500, "A018", "advisor", true), Err(Refused::OverLimit));
    assert_eq!(second(500, "A018", "cashier", true), Err(Refused::UnknownRole));
    let posted = Adjustment { state: AdjustmentState::Posted, ..adjustment(500) };
    assert_eq!(decide_second(&rules, &posted, &staff("S001", "store_manager"), false), Err(Refused::Resolved));
}

fn post(account: &mut Account, lots: &mut Lots, frozen: bool, points: i64) -> Result<Adjusted, Refused> {
    let expiry: Expiry =
        serde_json::from_value(serde_json::json!({ "months": 24, "mode": "end_of_month", "min_days_after_posting": 30 })).expect("rules");
    assert_eq!(expiry.mode, ExpiryMode::EndOfMonth);
    let mut ids = 100;
    let mut next_id = || {
        ids += 1;
        Uuid::from_u128(ids)
    };
    let today = "2026-10-01".parse().expect("date");
    let mut now = Moment { at: DateTime::UNIX_EPOCH, today, next_id: &mut next_id };
    decide_posting(account, lots, frozen, &adjustment(points), &expiry, &mut now)
}

#[test]
fn what_is_given_is_a_lot_of_the_named_store_and_repays_a_debt() {
    let (mut account, mut lots) = (Account::new(member(1), "M1".to_owned()), Lots::default());
    account.balance.debt = Points(200);
    let adjusted = post(&mut account, &mut lots, true, 500).expect("given, also to a frozen account");
    let lot = adjusted.new_lot.expect("a lot");
    assert_eq!((lot.store.as_str(), lot.expires_on.to_string().as_str(), lot.points.0), ("SH02", "2028-10-31", 500));
    assert_eq!((account.balance.active.0, account.balance.debt.0, account.lifetime.0, adjusted.repaid.0), (300, 0, 0, 200));
    assert_eq!((adjusted.entries[0].debit.as_str(), adjusted.entries[0].movement.qualifying), ("adjusted", false));
    assert_eq!(lots.total(), account.balance.active);
}

#[test]
fn what_is_taken_is_there_and_ends_first() {
    let part = |number: u128, points: i64, expires_on: &str| LotPart {
        lot_id: Uuid::from_u128(number),
        store: StoreCode::try_new("SH01").expect("store"),
        document: format!("R{number}"),
        expires_on: expires_on.parse().expect("date"),
        points: Points(points),
    };
    let mut account = Account::new(member(1), "M1".to_owned());
    account.balance.active = Points(800);
    let mut lots = Lots::new(vec![part(1, 500, "2028-12-31"), part(2, 300, "2028-10-31")]);
    assert_eq!(post(&mut account, &mut lots, true, -1), Err(Refused::Frozen));
    assert_eq!(post(&mut account, &mut lots, false, -801), Err(Refused::Insufficient));
    let adjusted = post(&mut account, &mut lots, false, -400).expect("taken");
    let moved: Vec<_> = adjusted.entries.iter().map(|entry| (entry.movement.lot_id.as_u128(), entry.movement.points.0)).collect();
    assert_eq!((moved, account.balance.active.0, lots.total().0), (vec![(2, 300), (1, 100)], 400, 400));
    assert_eq!(adjusted.entries[0].credit.as_ref(), "adjusted");
}
