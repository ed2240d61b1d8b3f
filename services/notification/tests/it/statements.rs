//! A batch costs the same number of statements whatever its size.

use jifen_contracts::event::EntryKind::Accrual;
use jifen_testkit::statements::{self, of};
use serde_json::json;

use crate::support::{Bench, settled};

/// Batches so far: each of these publishes something, hence writes its outbox once.
fn batches() -> usize {
    of("with rows as (")
}

#[tokio::test]
async fn a_batch_costs_the_same_statements_whatever_its_size() {
    const MESSAGES: usize = 300;
    let bench = Bench::start().await;
    bench.answer_contacts().await;
    let members = 1..=u128::try_from(MESSAGES).expect("number");
    let accruals: Vec<_> = members.clone().map(|number| settled(number, "R1", &[(Accrual, 10)], 1)).collect();
    members.for_each(|number| bench.knows(number, &["sms:service"]));
    // All of it waits in the stream before the copy starts, so that batches are large. How many the broker makes of it varies.
    bench.publish_all(&accruals).await;
    statements::count();
    let copy = bench.copy(500).await;
    bench.settle().await;
    assert!((1..MESSAGES / 2).contains(&batches()), "{} batches", batches());
    assert_eq!(of("insert into send"), batches());
    assert!(copy.stop().await);

    let ids = bench.commands().await.into_iter().map(|command| command.notification_id);
    let receipts: Vec<String> =
        ids.map(|id| json!({ "notification_id": id, "status": "delivered", "at": "2026-10-01T02:00:00Z" }).to_string()).collect();
    assert_eq!(receipts.len(), MESSAGES);
    bench.report("sms", &receipts).await;
    statements::count();
    let copy = bench.copy(500).await;
    bench.settle().await;
    assert!((1..MESSAGES / 2).contains(&batches()), "{} batches", batches());
    assert_eq!((of("select notification_id, member_id, kind,"), of("update send")), (batches(), batches()));
    assert!(copy.stop().await);
}
