//! The broker's whole store is deleted in the middle of the work: the documents come to the same.

use jifen_e2e::{Ledger, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;

use crate::{
    killed::{ACK_WAIT_S, Stores},
    same_result::{DEMO, compare_with_undisturbed},
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
            let client = system.client().await;
            let mut stores = Stores::begin(&system);
            let moment = client.end("RECEIPTS").await + moment;
            until(&format!("{moment} receipts"), PATIENCE, async || {
                assert!(!stores.have_ended(), "the stores' documents ran out before receipt {moment}");
                (client.end("RECEIPTS").await >= moment).then_some(())
            })
            .await;
            system.kill();
            until("the servers have gone, too", PATIENCE, async || {
                system.processes().iter().all(|(_, line)| line.contains("demo")).then_some(())
            })
            .await;
            std::fs::remove_dir_all(system.home().join("nats/store")).expect("deleted");
            system.start().await;
            stores.end().await;
        }
        // Whatever has no receipt is sent again.
        system.run(&DEMO).await.ok();
        let client = system.client().await;
        system.quiet(&client).await;
        let doctor = system.run(&["doctor"]).await.ok();
        assert!(doctor.contains("no dead letters") && doctor.contains("everything is well"), "{doctor}");
        assert!(doctor.contains("the broker had lost"), "{doctor}");
        let ledger = Ledger::read(&client).await;
        system.stop(Signal::SIGTERM).await;
        ledger
    })
    .await;
}
