//! Posting and settling, whatever happens to the messages.

use jifen_contracts::{
    endpoint::{AccountGet, EntriesList, EntriesRequest, MemberRequest},
    event::{AccrualSettled, Earned},
};
use jifen_kernel::Points;
use jifen_runtime::ask;
use jifen_testkit::{bus, statements};

use crate::support::{Bench, answer, by_document, double, earned_points, invoice};

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_becomes_base_bonus_and_one_settlement() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    bench.publish(&[invoice("R1", 1, "maintenance", "1000.00"), invoice("R2", 1, "pass_through", "50.00")], 1).await;
    let earned: Vec<Earned> = bench.published(2).await;
    assert_eq!(earned.iter().map(earned_points).collect::<Vec<_>>(), [1600, 0]);
    bench.publish(&[answer("R1", 1, vec![double("maintenance", 1500)]), answer("R2", 1, vec![])], 1).await;
    let settled = by_document(bench.published(2).await);
    assert_eq!((settled["R1"].points(), settled["R1"].balance.active), (Points(3100), Points(3100)));
    assert_eq!((settled["R2"].points(), settled["R2"].entries.len()), (Points(0), 0));

    let nats = bench.env.nats("local").await;
    let account = ask::<AccountGet>(&nats, &MemberRequest { member_no: "M1".to_owned() }).await.expect("account");
    assert_eq!((account.active, account.lifetime, account.sequence), (Points(3100), Points(3100), 3));
    assert_eq!(bench.explain_all("M1").await.len(), 3);
    assert_eq!(account.expiring.len(), 1);
    assert_eq!((account.expiring[0].on.to_string().as_str(), account.expiring[0].points), ("2028-10-31", Points(3100)));
    let page = EntriesRequest { member_no: "M1".to_owned(), limit: Some(2), before: None };
    let entries = ask::<EntriesList>(&nats, &page).await.expect("entries").entries;
    let rules: Vec<&str> = entries.iter().map(|entry| entry.rule.as_str()).collect();
    assert_eq!(rules, ["campaign:double_week@1", "first_spending@1"]);
    let page = EntriesRequest { before: Some(entries[1].sequence), ..page };
    assert_eq!(
        ask::<EntriesList>(&nats, &page).await.expect("entries").entries[0].why.zh,
        "maintenance：客户实付 1000.00 元 × 1.5 分/元，取整"
    );
    bench.assert_sound().await;
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_may_come_often_and_to_any_copy() {
    let bench = Bench::start().await;
    let copies = [bench.copy().await, bench.copy().await, bench.copy().await];
    let members = 7;
    let invoices: Vec<_> = (0..200).map(|i| invoice(&format!("R{i:03}"), i % members, "repair", "10.00")).collect();
    bench.publish(&invoices, 3).await;
    let _: Vec<Earned> = bench.published(200).await;
    let answers: Vec<_> = (0..200).rev().map(|i| answer(&format!("R{i:03}"), i % members, vec![double("repair", 10)])).collect();
    bench.publish(&answers, 3).await;
    let settled = by_document(bench.published::<AccrualSettled>(200).await);
    assert_eq!(settled.len(), 200, "each accrual is settled once");
    bench.settled().await;
    assert_eq!(bench.number("select count(*) FROM outbox where subject like 'evt.points.accrual_settled%'").await, 200);
    assert_eq!(bench.number("select sum(points)::bigint FROM entry").await, 200 * 20 + 700);
    assert_eq!(bench.number("select count(*) FROM entry where kind = 'first_spending'").await, 7);
    assert_eq!(bench.number("select count(*) FROM dead_letter").await, 0);
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// On one thread, whose statements are this test's.
#[tokio::test]
async fn statements_do_not_grow_with_the_batch() {
    let bench = Bench::start().await;
    // All of it waits in the stream before the copy starts, so that batches are large.
    let invoices: Vec<_> = (0..400).map(|i| invoice(&format!("R{i:03}"), i % 40, "repair", "10.00")).collect();
    bench.publish(&invoices, 1).await;
    statements::count();
    let points = bench.copy().await;
    let _: Vec<Earned> = bench.published(400).await;
    assert!(points.stop().await);
    assert_once_a_batch(&["insert into accrual"]);
    assert!(statements::of("insert into account") > 0, "new members: {:?}", statements::counted());

    let answers: Vec<_> = (0..400).map(|i| answer(&format!("R{i:03}"), i % 40, vec![double("repair", 10)])).collect();
    bench.publish(&answers, 1).await;
    statements::count();
    let points = bench.copy().await;
    let _: Vec<AccrualSettled> = bench.published(400).await;
    assert!(points.stop().await);
    assert_once_a_batch(&["select store, document, member_id,", "select store, document, entry_id,", "update accrual"]);
    assert_eq!(statements::of("insert into account"), 0, "known members: {:?}", statements::counted());
    bench.assert_sound().await;
}

/// Every statement of the transaction is run once a batch, of which there are few: each writes its outbox once. Accounts are
/// locked once more where some are opened.
fn assert_once_a_batch(own: &[&str]) {
    let batches = statements::of("with rows as");
    assert!((1..=20).contains(&batches), "{:?}", statements::counted());
    let opened = statements::of("insert into account");
    assert!(opened <= batches, "{:?}", statements::counted());
    assert_eq!(statements::of("select member_id, member_no,"), batches + opened, "{:?}", statements::counted());
    let common = ["insert into entry", "insert into lot", "update account"];
    for statement in common.iter().chain(own) {
        assert_eq!(statements::of(statement), batches, "{statement}: {:?}", statements::counted());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_unknown_yet_waits_and_poison_stands_alone() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    let mut early = invoice("R1", 1, "repair", "10.00");
    early.program_version = 2;
    let impossible = invoice("R2", 1, "boat", "10.00");
    bench.publish(&[early, impossible, invoice("R3", 1, "repair", "10.00")], 1).await;
    let earned: Vec<Earned> = bench.published(1).await;
    assert_eq!(earned[0].document, "R3");
    points.cx().programs.learn([crate::support::program(2)]);
    let earned: Vec<Earned> = bench.published(2).await;
    assert_eq!((earned[1].document.as_str(), earned[1].program_version), ("R1", 2));
    // An answer beyond its factor, and one to nothing.
    bench.publish(&[answer("R3", 1, vec![double("repair", 11)]), answer("R9", 1, vec![])], 1).await;
    bench.settled().await;
    assert_eq!(bench.number("select count(*) FROM dead_letter").await, 3);
    bench.publish(&[answer("R3", 1, vec![double("repair", 10)])], 1).await;
    let settled: Vec<AccrualSettled> = bench.published(1).await;
    assert_eq!(settled[0].points(), Points(120));
    bench.assert_sound().await;
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_never_published_is_swept() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    bench.publish(&[invoice("R1", 1, "repair", "10.00")], 1).await;
    let _: Vec<Earned> = bench.published(1).await;
    assert!(points.stop().await);
    // As a copy killed between COMMIT and publishing leaves it: the rows are there, the stream has no message.
    let js = bench.env.js("provisioner").await;
    js.delete_stream("EVENTS").await.expect("gone");
    jifen_infra::streams::ensure_streams(&bench.env.nats("provisioner").await, 1).await.expect("streams");
    sqlx::raw_sql("update points.outbox_commit set published_at = null, created_at = created_at - interval '1 minute'")
        .execute(bench.env.admin_pool())
        .await
        .expect("unpublished");
    let points = bench.copy().await;
    let earned: Vec<Earned> = bench.published(1).await;
    assert_eq!(earned[0].document, "R1");
    bus::all_published(&bench.env, "points").await;
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_role_can_only_append() {
    let bench = Bench::start().await;
    let pool = bench.env.pool("points");
    for forbidden in [
        "update entry set points = 1",
        "delete from entry",
        "truncate entry",
        "delete from account",
        "delete from accrual",
        "update lot set points = 1",
        "update direct_accrual set points = 1",
        "delete from direct_accrual",
        "update pending_lot set store = 'SH02'",
        "delete from correction",
        "delete from activation",
    ] {
        let refused = sqlx::raw_sql(forbidden).execute(&pool).await.expect_err(forbidden);
        assert_eq!(refused.as_database_error().and_then(|error| error.code().map(String::from)).as_deref(), Some("42501"), "{forbidden}");
    }
}
