//! Interactions, partners' purchases and grants, whatever happens to the messages.

use std::collections::BTreeMap;

use jifen_contracts::event::{AccrualSettled, AccrualSource, Bonus, BonusRule, Earned, EntryKind};
use jifen_kernel::{Money, Points};
use jifen_points::PartnerPurchaseRecordedHandler;
use jifen_testkit::{DEADLINE, eventually};

use crate::{
    batches::Ledger,
    support::{Bench, answer, grant, interaction, invoice, program, purchase, token},
};

/// Points by source and document.
async fn settled(bench: &Bench, count: usize) -> BTreeMap<(AccrualSource, String), i64> {
    let all: Vec<AccrualSettled> = bench.published(count).await;
    bench.settled().await;
    all.into_iter().map(|event| ((event.source, event.document.clone()), event.points().0)).collect()
}

fn of(points: &BTreeMap<(AccrualSource, String), i64>, documents: &[&str]) -> Vec<i64> {
    documents.iter().map(|document| points[&(AccrualSource::Interaction, (*document).to_owned())]).collect()
}

/// Exact default 17: shares on a Sunday and on the Monday after it are of two weeks.
#[tokio::test(flavor = "multi_thread")]
async fn limits_count_in_their_period_whatever_the_copies() {
    let bench = Bench::start().await;
    let copies = [bench.copy().await, bench.copy().await, bench.copy().await];
    let shares = [("S1", "2026-10-04"), ("S2", "2026-10-05")].map(|(number, day)| interaction(number, 1, "share", day, None));
    bench.publish(&shares, 3).await;
    let check_ins: Vec<_> = (0..40).map(|i| interaction(&format!("C{i:02}"), 2, "check_in", "2026-10-01", None)).collect();
    bench.publish(&check_ins, 2).await;
    let points = settled(&bench, 42).await;
    assert_eq!(of(&points, &["S1", "S2"]), [100, 100]);
    assert_eq!(points.values().sum::<i64>(), 205, "one of forty check-ins of a day is rewarded");
    assert_eq!((bench.account("M1").await.active, bench.account("M2").await.active), (Points(200), Points(5)));
    let (document, _) =
        points.iter().find(|((_, document), points)| document.starts_with('C') && **points == 0).expect("one that earned nothing");
    let why = bench.explain("M2", AccrualSource::Interaction, &document.1).await;
    assert_eq!((why.outcome.as_deref(), why.counted, why.equal, why.entry), (Some("over_limit"), Some(1), true, None));
    assert_eq!(bench.explain_all("M1").await[0].outcome.as_deref(), Some("rewarded"));
    assert_eq!(bench.number("select count(*) FROM dead_letter").await, 0);
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_waits_for_its_order() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    // Each is there before its order; the first has the order's number, the second is another member's, the third too late.
    let early = [
        interaction("R1", 1, "review", "2026-10-31", Some("R1")),
        interaction("I2", 2, "review", "2026-10-02", Some("R1")),
        interaction("I3", 1, "review", "2026-11-01", Some("R2")),
        interaction("I4", 1, "review", "2026-10-01", None),
    ];
    bench.publish(&early, 2).await;
    let none = settled(&bench, 1).await;
    assert_eq!(of(&none, &["I4"]), [0]);
    assert_eq!(bench.number("select count(*) FROM waiting_interaction").await, 3);
    bench.publish(&[invoice("R1", 1, "repair", "10.00"), invoice("R2", 1, "repair", "10.00")], 1).await;
    let released = settled(&bench, 4).await;
    assert_eq!(of(&released, &["R1", "I2", "I3"]), [50, 0, 0]);
    // The invoice of the same number is settled with its own entries only; a second review of the order is over the limit.
    bench.publish(&[interaction("I5", 1, "review", "2026-10-03", Some("R1"))], 1).await;
    bench.publish(&early, 1).await;
    bench.publish(&[answer("R1", 1, vec![])], 1).await;
    let all = settled(&bench, 6).await;
    assert_eq!(of(&all, &["I5"]), [0]);
    assert_eq!(all[&(AccrualSource::Invoice, "R1".to_owned())], 110);
    let outcome = async |member: &str, document: &str| bench.explain(member, AccrualSource::Interaction, document).await.outcome;
    assert_eq!(outcome("M2", "I2").await.as_deref(), Some("other_member"));
    assert_eq!(outcome("M1", "I3").await.as_deref(), Some("too_late"));
    assert_eq!(outcome("M1", "I4").await.as_deref(), Some("about_missing"));
    assert_eq!(outcome("M1", "I5").await.as_deref(), Some("over_limit"));
    assert_eq!(bench.number("select count(*) FROM waiting_interaction").await, 0);
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_budget_is_not_overrun_whatever_the_copies() {
    let bench = Bench::start().await;
    let copies = [bench.copy().await, bench.copy().await, bench.copy().await];
    // 40 x 50 points against 900, and 40 of a partner without a budget; one is too little for a point.
    let mut purchases: Vec<_> = (0..40).map(|i| purchase(&format!("F{i:02}"), i % 7, "fuel-1", "101.00")).collect();
    purchases.extend((0..40).map(|i| purchase(&format!("W{i:02}"), i % 7, "wash", "100.00")));
    purchases.push(purchase("W99", 1, "wash", "1.99"));
    bench.publish(&purchases, 2).await;
    let all: Vec<AccrualSettled> = bench.published(81).await;
    bench.settled().await;
    let of = |code: char| all.iter().filter(|event| event.document.starts_with(code)).map(|event| event.points().0).sum::<i64>();
    assert_eq!((of('F'), of('W')), (900, 2_000));
    assert!(all.iter().all(|event| event.source == AccrualSource::PartnerPurchase && event.qualifying() == Points::ZERO));
    assert_eq!(bench.number("select granted FROM partner_budget").await, 900);
    assert_eq!(bench.number("select count(*) FROM direct_accrual where outcome = 'budget_spent'").await, 22);
    let why = bench.explain("M1", AccrualSource::PartnerPurchase, "W99").await;
    assert_eq!((why.outcome.as_deref(), why.equal), (Some("below_one_point"), true));
    for member in 0..7 {
        let explained = bench.explain_all(&format!("M{member}")).await;
        assert!(explained.iter().all(|reply| reply.entry.as_ref().is_some_and(|entry| entry.kind == EntryKind::Partner)));
        let account = bench.account(&format!("M{member}")).await;
        assert_eq!(account.lifetime, account.active, "a partner's points count in what was ever earned");
    }
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_posted_once() {
    let bench = Bench::start().await;
    let copies = [bench.copy().await, bench.copy().await];
    let mut later = grant("p2", 1, 70);
    (later.ordinal, later.qualifying) = (2, true);
    bench.publish(&[grant("p1", 1, 300), later], 3).await;
    let all: Vec<AccrualSettled> = bench.published(2).await;
    bench.settled().await;
    let first = all.iter().find(|event| event.document == "task/p1/1").expect("the first");
    assert_eq!((first.source, first.points(), first.qualifying()), (AccrualSource::Grant, Points(300), Points::ZERO));
    assert_eq!(first.entries[0].rule, "campaign:task@1");
    assert_eq!(all.iter().find(|event| event.document == "task/p2/2").expect("the second").qualifying(), Points(70));
    let account = bench.account("M1").await;
    assert_eq!((account.active, account.lifetime, account.sequence), (Points(370), Points(370), 2));
    // An invoice may have the grant's number and the same campaign's bonus.
    bench.publish(&[invoice("task/p1/1", 1, "repair", "10.00")], 1).await;
    let _: Vec<Earned> = bench.published(1).await;
    let bonus = BonusRule::Fixed { keep_from: Money::ZERO, categories: Vec::new() };
    let bonus = Bonus { campaign: token("task"), version: 1, points: Points(30), rule: bonus };
    bench.publish(&[answer("task/p1/1", 1, vec![bonus])], 1).await;
    let all: Vec<AccrualSettled> = bench.published(3).await;
    assert_eq!((all[2].source, all[2].points()), (AccrualSource::Invoice, Points(140)));
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// Reviews whose number is no invoice's wait for months: they are looked at ever more seldom and hold up nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_nothing_is_looked_at_ever_more_seldom_and_stands_in_nobodys_way() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    bench
        .publish(&[interaction("I1", 1, "review", "2026-10-02", Some("R1")), interaction("I2", 1, "review", "2026-10-02", Some("W-7"))], 1)
        .await;
    bench.settled().await;
    let later =
        || async { (bench.number("select count(*) FROM waiting_interaction where look_at > waiting_since").await == 2).then_some(()) };
    eventually(DEADLINE, later).await;
    // Six hundred that this copy has no rules for, all due before the one whose order comes; and one that waited since yesterday.
    let before = "insert into points.waiting_interaction (store, document, about, business_date, event, event_id, waiting_since, look_at)
                  select store, 'X' || n, 'R1', business_date, event || jsonb_build_object('program_version', 99, 'interaction_no', 'X' || n), event_id, waiting_since,
                         waiting_since - interval '1 day'
                  from points.waiting_interaction, generate_series(1, 600) n where document = 'I1'";
    let since = "update points.waiting_interaction set waiting_since = now() - interval '1 day', look_at = now() where document = 'I2'";
    for sql in [before, since] {
        sqlx::raw_sql(sql).execute(bench.env.admin_pool()).await.expect("rows");
    }
    bench.publish(&[invoice("R1", 1, "repair", "10.00")], 1).await;
    let released = settled(&bench, 1).await;
    assert_eq!(of(&released, &["I1"]), [50]);
    let an_hour = || async {
        let looks = "select count(*) FROM waiting_interaction where document = 'I2' and look_at > now() + interval '50 minutes'";
        (bench.number(looks).await == 1).then_some(())
    };
    eventually(DEADLINE, an_hour).await;
    assert!(points.stop().await);
}

/// What a version of the program grants that knows no budget counts for the next one that has one.
#[tokio::test(flavor = "multi_thread")]
async fn a_partners_budget_remembers_what_every_version_granted() {
    let budget = |version: u32, points: Option<i64>| {
        let mut applied = program(version);
        applied.program.earn.partners[0].budget = points.map(Points);
        applied
    };
    let programs = [budget(1, Some(900)), budget(2, None), budget(3, Some(1_200))];
    let ledger = Ledger::start("2026-10-09T02:20:00Z".parse().expect("instant"), &programs).await;
    for version in 1..=3 {
        let mut bought = purchase(&format!("P{version}"), 1, "fuel-1", "1000.00");
        bought.program_version = version;
        ledger.handle(PartnerPurchaseRecordedHandler, &[bought]).await;
    }
    // 500, 500, and the 200 that are left.
    assert_eq!(ledger.bench.number("select active FROM account").await, 1_200);
    assert_eq!(ledger.bench.number("select granted FROM partner_budget").await, 1_200);
    ledger.close().await;
}
