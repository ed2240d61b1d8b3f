//! Caps hold whatever the number of copies, and can be explained.

use jifen_contracts::{
    endpoint::CapKind,
    event::{AccrualSettled, AccrualSource, Earned, InvoiceAccepted, Reversed},
};
use jifen_kernel::Points;
use jifen_runtime::{Running, ask};

use crate::{
    corrections::{refund, void},
    support::{Bench, answer, by_document, capped, double, invoice},
};

async fn copy(bench: &Bench) -> Running {
    bench.copy_with(&[capped(1, 5_000, 1_000), capped(2, 5_000, 100_000)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_day_has_its_cap_whatever_the_copies() {
    let bench = Bench::start().await;
    let copies = [copy(&bench).await, copy(&bench).await, copy(&bench).await];
    // Two members' 40 invoices of 60 points each, of one business date; one comes under a version with a higher cap.
    let mut invoices: Vec<_> = (0..80).map(|i| invoice(&format!("R{i:03}"), i % 2, "repair", "60.00")).collect();
    invoices.push(invoice("T", 0, "repair", "60.00"));
    invoices.last_mut().expect("one").business_date = "2026-10-02".parse().expect("date");
    bench.publish(&invoices, 2).await;
    let earned: Vec<Earned> = bench.published(81).await;
    bench.settled().await;
    let of_day = |day: &str| -> i64 {
        let base = |event: &Earned| event.categories.iter().map(|category| category.base.0).sum::<i64>();
        earned.iter().filter(|event| event.business_date.to_string() == day).map(base).sum()
    };
    assert_eq!((of_day("2026-10-01"), of_day("2026-10-02")), (2_000, 60));
    // The first sixteen came whole, the next got what was left, the others nothing; the first spending is no part of it.
    assert_eq!(bench.number("select count(*) FROM accrual where daily_left = 40").await, 2);
    assert_eq!(bench.number("select count(*) FROM accrual where daily_left = 0").await, 46);
    assert_eq!(bench.account("M1").await.active, Points(1_100));
    let explained = bench.explain_all("M1").await;
    assert_eq!(explained.len(), 18);
    assert_eq!(explained.iter().filter(|reply| reply.caps.iter().any(|cap| cap.kind == CapKind::Daily)).count(), 1);
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// Exact default 19 under a cap: a bill that was reopened takes nothing from the one that takes its place.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_is_free_again_that_day() {
    let bench = Bench::start().await;
    let points = bench.copy_with(&[capped(1, 5_000, 2_000)]).await;
    let first = invoice("R1", 1, "maintenance", "1000.00");
    bench.publish(std::slice::from_ref(&first), 1).await;
    let _: Vec<Earned> = bench.published(1).await;
    bench.publish(&[void(&first, "R2", true)], 2).await;
    let _: Vec<Reversed> = bench.published(1).await;
    let second = invoice("R2", 1, "maintenance", "1100.00");
    bench.publish(std::slice::from_ref(&second), 1).await;
    let _: Vec<Earned> = bench.published(2).await;
    assert_eq!(bench.account("M1").await.active, Points(1_750));
    // 1,350 are left of it: 650 are free. A refund of what the cap had cut takes nothing, and frees nothing.
    bench.publish(&[refund(&second, "C1", "200.00")], 1).await;
    let _: Vec<Reversed> = bench.published(2).await;
    let third = invoice("R3", 1, "repair", "1000.00");
    bench.publish(std::slice::from_ref(&third), 1).await;
    let _: Vec<Earned> = bench.published(3).await;
    bench.publish(&[refund(&third, "C2", "300.00")], 1).await;
    let _: Vec<Reversed> = bench.published(3).await;
    bench.publish(&[invoice("R4", 1, "repair", "10.00")], 1).await;
    let _: Vec<Earned> = bench.published(4).await;
    bench.settled().await;
    assert_eq!(bench.account("M1").await.active, Points(1_350 + 650 + 100));
    assert_eq!(bench.number("select count(*) FROM dead_letter").await, 0);
    bench.assert_sound().await;
    assert!(points.stop().await);
}

/// Exact default 19 under a cap, whichever of the two is heard of first, and both at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_bill_has_the_room_of_the_one_whose_place_it_takes() {
    let bench = Bench::start().await;
    let bill = |number: &str, member: u128, amount: &str, replaces: Option<&str>| InvoiceAccepted {
        replaces: replaces.map(str::to_owned),
        ..invoice(number, member, "maintenance", amount)
    };
    let pair = |member: u128| {
        let [first, second] = [format!("A{member}"), format!("B{member}")];
        [bill(&first, member, "1000.00", None), bill(&second, member, "1100.00", Some(&first))]
    };
    // Of the third member both come in one batch, with one before it and one behind.
    let all = [bill("C3", 3, "400.00", None), pair(3)[0].clone(), pair(3)[1].clone()];
    bench.publish(&all, 1).await;
    let points = bench.copy_with(&[capped(1, 5_000, 2_000)]).await;
    let _: Vec<Earned> = bench.published(3).await;
    let [first, second] = pair(1);
    bench.publish(&[first], 1).await;
    let _: Vec<Earned> = bench.published(4).await;
    bench.publish(&[second], 2).await;
    let _: Vec<Earned> = bench.published(5).await;
    let [first, second] = pair(2);
    bench.publish(&[second], 1).await;
    let _: Vec<Earned> = bench.published(6).await;
    bench.publish(&[first], 2).await;
    let _: Vec<Earned> = bench.published(7).await;
    let voids: Vec<_> = (1..=3).map(|member| void(&pair(member)[0], &format!("B{member}"), true)).collect();
    bench.publish(&voids, 2).await;
    let _: Vec<Reversed> = bench.published(3).await;
    bench.settled().await;
    for (member, active) in [("M1", 1_750), ("M2", 1_750), ("M3", 600 + 1_400 + 100)] {
        assert_eq!(bench.account(member).await.active, Points(active), "{member}");
    }
    bench.publish(&[bill("D1", 1, "1000.00", None)], 1).await;
    let _: Vec<Earned> = bench.published(8).await;
    assert_eq!(bench.account("M1").await.active, Points(2_100), "what is left of the day");
    assert_eq!(bench.number("select count(*) FROM dead_letter").await, 0);
    bench.assert_sound().await;
    assert!(points.stop().await);
}

/// Exact default 2: 5,000 + 5,000 + 100.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_multiplies_what_the_cap_left() {
    let bench = Bench::start().await;
    let points = copy(&bench).await;
    let mut bill = invoice("R1", 1, "maintenance", "4000.00");
    bill.program_version = 2;
    bench.publish(&[bill], 1).await;
    let earned: Vec<Earned> = bench.published(1).await;
    assert_eq!((earned[0].categories[0].base, earned[0].first_spending), (Points(5_000), Points(100)));
    bench.publish(&[answer("R1", 1, vec![double("maintenance", 5_000)])], 1).await;
    let settled = by_document(bench.published::<AccrualSettled>(1).await);
    assert_eq!(settled["R1"].points(), Points(10_100));
    assert_eq!(settled["R1"].categories[0].base, Points(5_000));
    let explained = bench.explain_all("M1").await;
    assert_eq!(explained.len(), 3);
    assert_eq!(
        (explained[2].base, explained[2].caps[0].kind, explained[2].caps[0].left),
        (Some(Points(6_000)), CapKind::Invoice, Points(5_000))
    );
    let whole = bench.explain("M1", AccrualSource::Invoice, "R1").await;
    assert!(whole.equal && whole.points == Points(5_000));
    // What isn't there is said to be so.
    let nats = bench.env.nats("local").await;
    let request =
        jifen_contracts::endpoint::ExplainRequest { member_no: "M1".to_owned(), entry_id: Some(uuid::Uuid::nil()), ..Default::default() };
    let refused = ask::<jifen_contracts::endpoint::EntryExplain>(&nats, &request).await.expect_err("no entry");
    assert_eq!(refused.code, "points.entry_unknown");
    assert!(points.stop().await);
}
