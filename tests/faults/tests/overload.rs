//! The smallest overload, on servers of its own.

use jifen_faults::overload::play;

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_system_loses_nothing_and_holds_nobody_up_who_is_well() {
    let report = play(1, 2, jifen_e2e::today(), |_| {}).await.expect("it comes to rest");
    assert!(report.wrong.is_empty(), "{report:#?}");
}
