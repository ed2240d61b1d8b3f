//! The broker's whole store is deleted in the middle of the work: the documents come to the same.

use jifen_e2e::{Ledger, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;

use crate::{
    same_result::compare_with_undisturbed,
    stores::{ACK_WAIT_S, kill_at_receipt, make_good},
};

/// Receipts after which everything goes at once: what was published is half consumed.
const MOMENTS: [u64; 2] = [60, 200];

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgets_everything_costs_time_only() {
    let _alone = alone().await;
    compare_with_undisturbed(async || {
        let mut system = System::new().with("JIFEN_ACK_WAIT_S", ACK_WAIT_S);
        system.start().await;
        for moment in MOMENTS {
            kill_at_receipt(&mut system, moment, async |system| {
                until("the servers have gone, too", PATIENCE, async || {
                    system.processes().iter().all(|(_, line)| line.contains("demo")).then_some(())
                })
                .await;
                std::fs::remove_dir_all(system.home().join("nats/store")).expect("deleted");
            })
            .await;
        }
        let (client, doctor) = make_good(&system).await;
        assert!(doctor.contains("no dead letters") && doctor.contains("everything is well"), "{doctor}");
        assert!(doctor.contains("the broker had lost"), "{doctor}");
        let ledger = Ledger::read(&client).await;
        system.stop(Signal::SIGTERM).await;
        ledger
    })
    .await;
}
