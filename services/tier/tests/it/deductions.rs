//! What corrections take back: once, whatever comes first, and the tier with it.

use chrono::{DateTime, Utc};
use jifen_contracts::event::{
    AccrualSettled, AccrualSource, Balance, CategoryPaid, CorrectionKind, EntitlementExpired, EntitlementGranted, EntryKind, Reversed,
    ReversedAccrual, ReversedEntry, TierDowngraded, TierUpgraded,
};
use jifen_kernel::{Money, Points, Token};
use jifen_testkit::{
    bus::{drained, publish, publish_raw, published, shuffled},
    statements,
};
use uuid::Uuid;

use crate::support::{annual, bringing, copy, handbook, member, number, preset, settled, spent, surroundings, without_run};

const REVERSED: &str = "tier_reversed";

/// A refund of an invoice that takes so many qualifying points back.
fn reversed(settled: &AccrualSettled, number: &str, entry: u128, points: i64) -> Reversed {
    let at: DateTime<Utc> = "2026-10-03T02:00:00Z".parse().expect("instant");
    let taken = ReversedEntry {
        entry_id: Uuid::from_u128(entry),
        reverses: Uuid::from_u128(7),
        kind: EntryKind::Accrual,
        rule: "earn@1".to_owned(),
        category: None,
        points: Points(points),
        qualifying: true,
        pending: false,
        breakage_of: None,
        accrual: None,
    };
    Reversed {
        correction: CorrectionKind::Refund,
        number: Some(number.to_owned()),
        source: AccrualSource::Invoice,
        store: settled.store.clone(),
        document: settled.document.clone(),
        member_id: settled.member_id,
        member_no: settled.member_no.clone(),
        at,
        business_date: settled.business_date,
        entries: if points == 0 { Vec::new() } else { vec![taken] },
        paid: Vec::new(),
        left: Vec::new(),
        vehicle: None,
        visit_lost: false,
        paid_visit_lost: false,
        balance: Balance::default(),
    }
}

fn less(mut reversed: Reversed, yuan: &str) -> Reversed {
    let category = Token::try_new("maintenance").expect("category");
    reversed.paid = vec![CategoryPaid { category, paid: Money::try_new(yuan).expect("money") }];
    reversed
}

/// Exact default 11: 4,900 + 200 = silver, refund 200 = regular.
#[tokio::test(flavor = "multi_thread")]
async fn an_unearned_tier_is_taken_back_at_once() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    let second = settled("R2", 1, 200);
    publish(&env, &[settled("R1", 1, 4_900), second.clone()]).await;
    published::<TierUpgraded>(&env, 1).await;
    publish(&env, &[reversed(&second, "C1", 1, 200)]).await;
    let down = &published::<TierDowngraded>(&env, 1).await[0];
    assert_eq!((down.data.from.as_str(), down.data.to.as_str(), down.data.ordinal), ("silver", "regular", 2));
    assert_eq!((down.data.member_id, down.data.store.as_str()), (member(1), "SH01"));
    assert!(down.causationid.is_some());
    assert_eq!(number(&env, "select qualifying from standing").await, 4_900);
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_and_accruals_may_come_often_in_any_order_and_to_any_copy() {
    let env = surroundings().await;
    let members = 7;
    let accruals: Vec<AccrualSettled> = (0..200).map(|i| settled(&format!("R{i:03}"), i % members, 300)).collect();
    // Two corrections of each: a part, then the rest.
    let corrections: Vec<Reversed> = (0..)
        .zip(&accruals)
        .flat_map(|(i, accrual)| {
            [reversed(accrual, &format!("A{i}"), 1_000 + 2 * i, 50), reversed(accrual, &format!("B{i}"), 1_001 + 2 * i, 100)]
        })
        .collect();
    publish(&env, shuffled(&corrections, 2)).await;
    publish(&env, shuffled(&accruals, 2)).await;
    let copies = [copy(&env, 16, &[preset()]).await, copy(&env, 16, &[preset()]).await];
    drained::<TierUpgraded>(&env, "tier_accrual_settled").await;
    drained::<TierUpgraded>(&env, REVERSED).await;
    assert_eq!(number(&env, "select sum(qualifying)::bigint from standing").await, 200 * 150);
    assert_eq!(number(&env, "select sum(waiting)::bigint from standing").await, 0);
    // 28 or 29 accruals of 150 net: nobody has 5,000 in the end, whatever was announced on the way.
    assert_eq!(number(&env, "select count(*) from standing where tier <> 'regular'").await, 0);
    let differing = "select count(*) from standing s where qualifying
        <> (select sum(qualifying) from contribution c where c.member_id = s.member_id)
           - (select sum(qualifying) from deduction d where d.member_id = s.member_id)";
    assert_eq!(number(&env, differing).await, 0);
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// The first spending may be another bill's, and that one's accrual may come last.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_spending_may_be_taken_back_before_it_is_counted() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    for (member, ahead) in [(1, false), (2, true)] {
        let (bill, grants) = (settled(&format!("A{member}"), member, 300), settled(&format!("B{member}"), member, 5_700));
        let back = reversed(&bill, &format!("C{member}"), member, 400);
        if ahead {
            publish(&env, &[back]).await;
            drained::<TierUpgraded>(&env, REVERSED).await;
            publish(&env, &[bill]).await;
        } else {
            publish(&env, &[bill]).await;
            drained::<TierUpgraded>(&env, "tier_accrual_settled").await;
            publish(&env, &[back]).await;
        }
        drained::<TierUpgraded>(&env, "tier_accrual_settled").await;
        drained::<TierUpgraded>(&env, REVERSED).await;
        assert_eq!(number(&env, "select min(qualifying) from standing").await, -100);
        publish(&env, &[grants]).await;
        drained::<TierUpgraded>(&env, "tier_accrual_settled").await;
        assert_eq!(number(&env, "select min(qualifying) from standing").await, 5_600);
    }
    assert_eq!(number(&env, "select count(*) from standing where tier = 'silver'").await, 2);
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_ahead_of_its_accrual_takes_nothing_from_others() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    publish(&env, &[settled("R1", 1, 5_000)]).await;
    published::<TierUpgraded>(&env, 1).await;
    let later = settled("R2", 1, 1_000);
    publish(&env, &[reversed(&later, "C1", 1, 300)]).await;
    drained::<TierUpgraded>(&env, REVERSED).await;
    assert_eq!(number(&env, "select qualifying * 10 + waiting from standing").await, 50_001, "silver as before");
    publish(&env, &[later]).await;
    drained::<TierUpgraded>(&env, "tier_accrual_settled").await;
    assert_eq!(number(&env, "select qualifying * 10 + waiting from standing").await, 57_000);
    assert_eq!(number(&env, "select count(*) from outbox where subject like 'evt.tier.downgraded%'").await, 0);
    assert!(tier.stop().await);
}

/// Exact default 12, net: a year's spend falls by what was paid back, in the year in which it was spent.
#[tokio::test(flavor = "multi_thread")]
async fn a_years_spend_is_net() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[annual(1)]).await;
    let bill = spent("R1", 1, "2026-05-10", "5000.00");
    publish(&env, std::slice::from_ref(&bill)).await;
    assert_eq!(published::<TierUpgraded>(&env, 1).await[0].data.to.as_str(), "gold");
    // No point moves, and still the spend falls.
    publish(&env, &[less(reversed(&bill, "C1", 1, 0), "0.01")]).await;
    assert_eq!(published::<TierDowngraded>(&env, 1).await[0].data.to.as_str(), "silver");
    publish(&env, &[spent("R2", 1, "2026-06-01", "0.01")]).await;
    assert_eq!(published::<TierUpgraded>(&env, 2).await[1].data.to.as_str(), "gold");
    assert!(tier.stop().await);
}

/// Exact default 13: one vehicle, store and day is a visit for as long as one of its bills is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_is_lost_with_its_last_bill() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[handbook()]).await;
    let bill = |document: &str, on: &str| {
        let mut bill = spent(document, 1, on, "100.00");
        bill.vehicle = Some(jifen_contracts::KeyedHash("1:01".to_owned()));
        bill
    };
    let same_day = [bill("R3", "2026-05-03"), bill("R4", "2026-05-03")];
    publish(&env, &[bill("R1", "2026-05-01"), bill("R2", "2026-05-02"), same_day[0].clone(), same_day[1].clone()]).await;
    assert_eq!(published::<TierUpgraded>(&env, 1).await[0].data.to.as_str(), "silver", "three paid visits");
    let lost = |bill: &AccrualSettled, number: &str, entry| Reversed {
        visit_lost: true,
        paid_visit_lost: true,
        ..less(reversed(bill, number, entry, 100), "100.00")
    };
    publish(&env, &[lost(&same_day[0], "V1", 1)]).await;
    drained::<TierUpgraded>(&env, REVERSED).await;
    assert_eq!(number(&env, "select count(*) from standing where tier = 'silver'").await, 1, "its other bill is there");
    publish(&env, &[lost(&same_day[1], "V2", 2)]).await;
    assert_eq!(published::<TierDowngraded>(&env, 1).await[0].data.to.as_str(), "regular");
    assert!(tier.stop().await);
}

#[tokio::test]
async fn each_event_and_each_entry_counts_once_and_statements_do_not_grow() {
    let env = surroundings().await;
    let accruals: Vec<AccrualSettled> = (0..100).map(|i| settled(&format!("R{i:03}"), i % 50, 300)).collect();
    publish(&env, &accruals).await;
    without_run(&env).await;
    let tier = copy(&env, 500, &[preset()]).await;
    drained::<TierUpgraded>(&env, "tier_accrual_settled").await;
    assert!(tier.stop().await);
    let corrections: Vec<Reversed> = (0..).zip(&accruals).map(|(i, accrual)| reversed(accrual, &format!("C{i}"), 1_000 + i, 100)).collect();
    publish(&env, &corrections).await;
    // An entry that another event names again; an event that comes again.
    publish(&env, &[reversed(&accruals[0], "C0", 1_000, 100)]).await;
    let other = reversed(&accruals[1], "X", 9_999, 100);
    let envelope = jifen_testkit::bus::envelope(Uuid::from_u128(77), "2026-10-03T02:00:00Z".parse().expect("instant"), &other);
    let bytes = serde_json::to_vec(&envelope).expect("json");
    let subject = jifen_contracts::EventType::subject(&other);
    publish_raw(&env, "points", [(subject.clone(), bytes.clone()), (subject, bytes)]).await;
    statements::count();
    let tier = copy(&env, 500, &[preset()]).await;
    drained::<TierUpgraded>(&env, REVERSED).await;
    assert!(tier.stop().await);
    assert_eq!(number(&env, "select sum(qualifying)::bigint from standing").await, 100 * 200 - 100);
    let batches = statements::of("insert into deduction ");
    assert!((1..=6).contains(&batches), "{:?}", statements::counted());
    assert_eq!(statements::of("update standing"), batches, "{:?}", statements::counted());
    assert_eq!(statements::of("insert into deducted_entry"), batches, "{:?}", statements::counted());
}

/// What a refund takes of a delayed reward comes off the reward, not off the invoice: whichever of the two is heard first.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_of_a_reward_waits_for_the_reward() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    let invoice = settled("R1", 1, 1_600);
    publish(&env, &[invoice.clone(), settled("R2", 1, 3_500), settled("R3", 2, 1_600)]).await;
    published::<TierUpgraded>(&env, 1).await;
    let reward = |document: &str, of: u128| AccrualSettled { source: AccrualSource::Grant, ..settled(document, of, 1_500) };
    let taken = |invoice: &AccrualSettled, entry: u128, document: &str| {
        let mut reversed = reversed(invoice, "C1", entry, 1_500);
        reversed.entries[0].kind = EntryKind::Bonus;
        reversed.entries[0].accrual =
            Some(ReversedAccrual { source: AccrualSource::Grant, store: invoice.store.clone(), document: document.to_owned() });
        reversed
    };
    let third = settled("R3", 2, 1_600);
    let all_of_it = [reversed(&third, "C1", 1, 1_600), taken(&third, 2, "G3"), taken(&invoice, 3, "G1")];
    publish(&env, &all_of_it).await;
    drained::<TierUpgraded>(&env, REVERSED).await;
    assert_eq!(number(&env, "select sum(qualifying * 10 + waiting)::bigint from standing").await, 51_002, "they wait");
    publish(&env, &[reward("G3", 2), reward("G1", 1)]).await;
    drained::<TierUpgraded>(&env, "tier_accrual_settled").await;
    assert_eq!(number(&env, "select sum(qualifying * 10 + waiting)::bigint from standing").await, 51_000);
    assert_eq!(number(&env, "select count(*) from outbox where subject like 'evt.tier.downgraded%'").await, 0);
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    assert!(tier.stop().await);
}

/// Buy, refund, keep the free maintenance: on a ladder of points, and on one of yearly spend.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_unearned_tier_had_brought_goes_with_it() {
    for (program, brought) in [(bringing(), 2), (annual(1), 1)] {
        let env = surroundings().await;
        let tier = copy(&env, 500, &[program]).await;
        let bill =
            |document: &str| AccrualSettled { entries: settled(document, 1, 5_000).entries, ..spent(document, 1, "2026-05-10", "5000.00") };
        publish(&env, &[bill("R1")]).await;
        published::<TierUpgraded>(&env, 1).await;
        let open = async || number(&env, "select count(*) from entitlement where not closed").await;
        let before = open().await;
        publish(&env, &[less(reversed(&bill("R1"), "C1", 1, 5_000), "5000.00")]).await;
        let expired = published::<EntitlementExpired>(&env, brought).await;
        assert_eq!(expired.len(), brought, "{expired:?}");
        assert_eq!(open().await, before - i64::try_from(brought).expect("few"));
        publish(&env, &[bill("R2")]).await;
        published::<TierUpgraded>(&env, 2).await;
        let granted = drained::<EntitlementGranted>(&env, "tier_accrual_settled").await;
        let again = granted.iter().filter(|event| expired.iter().any(|one| one.data.entitlement_id == event.data.entitlement_id));
        assert_eq!((again.count(), open().await), (2 * brought, before), "the same ones, and no other");
        assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
        assert!(tier.stop().await);
    }
}
