//! What a batch costs: statements, counted where the driver reports them.

use std::collections::BTreeMap;

use jifen_contracts::endpoint::RegisterRequest;
use jifen_testkit::statements;

use super::support::{Bench, application, vehicle};

/// Statements of registrations since the last call, and how many batches they were.
fn take() -> (BTreeMap<String, usize>, usize) {
    let own = statements::counted();
    statements::count();
    let batches = own.iter().filter(|(statement, _)| statement.starts_with("insert into operation")).map(|(_, count)| count).sum();
    (own, batches)
}

/// On one thread: its statements are this test's and nobody else's.
#[tokio::test]
async fn a_batch_costs_the_same_whatever_its_size() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let request = |i: u64| RegisterRequest {
        vehicles: vec![vehicle(Some(&format!("LSVAU2A37N2{:06}", 100_000 + i)), None)],
        ..application(&format!("op-{i}"), i)
    };
    // The first use of a connection asks the server for more than later ones.
    for i in 0..20 {
        bench.must_register(&request(i)).await;
    }
    statements::count();
    bench.must_register(&request(1000)).await;
    let (one, batches) = take();
    assert_eq!(batches, 1);
    let cost: usize = one.values().sum();
    assert!(cost <= 12, "{one:?}");

    let many: Vec<RegisterRequest> = (2000..2150).map(request).collect();
    assert!(bench.register_all(&many).await.iter().all(Result::is_ok));
    let (all, batches) = take();
    assert!(batches < 30, "{batches} batches for 150 requests");
    assert_eq!(all.values().sum::<usize>(), cost * batches, "one request: {one:?}; many, in {batches} batches: {all:?}");
    assert!(running.stop().await);
}
