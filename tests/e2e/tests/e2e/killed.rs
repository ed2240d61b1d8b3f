//! `kill -9` of the whole program, at any moment, costs time only.

use std::process::{Child, Stdio};

use jifen_e2e::{Client, Ledger, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::same_result::{DEMO, compare_with_undisturbed};

const SEED: u64 = 20_261_001;
const KILLS: u32 = 3;
/// A dead process's messages come again after this time: soon, so that the test need not wait.
pub const ACK_WAIT_S: &str = "3";

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_comes_to_the_same() {
    let _alone = alone().await;
    compare_with_undisturbed(async || {
        let mut rng = StdRng::seed_from_u64(SEED);
        let mut system = System::new().with("JIFEN_ACK_WAIT_S", ACK_WAIT_S);
        system.start().await;
        for _ in 0..KILLS {
            let client = system.client().await;
            let mut stores = Stores::begin(&system);
            // In the middle of the work: so many receipts are out, and what follows from them is under way.
            let moment = client.end("RECEIPTS").await + rng.random_range(20..250);
            until(&format!("{moment} receipts"), PATIENCE, async || {
                assert!(!stores.have_ended(), "the stores' documents ran out before receipt {moment}");
                (client.end("RECEIPTS").await >= moment).then_some(())
            })
            .await;
            system.kill();
            system.start().await;
            // They notice, or they don't: whatever has no receipt is sent again.
            stores.end().await;
        }
        system.run(&DEMO).await.ok();
        let client = system.client().await;
        system.quiet(&client).await;
        let doctor = system.run(&["doctor"]).await.ok();
        assert!(doctor.contains("no dead letters") && doctor.contains(" 0 wait for campaign's answer"), "{doctor}");
        each_document_is_accepted_once(&client).await;
        let ledger = Ledger::read(&client).await;
        system.stop(Signal::SIGTERM).await;
        ledger
    })
    .await;
}

/// The stores that send the demo's documents: a process of their own, which nobody kills.
pub struct Stores(Child);

impl Stores {
    pub fn begin(system: &System) -> Self {
        let mut command = system.command(&DEMO);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the demo starts"))
    }

    pub fn have_ended(&mut self) -> bool {
        self.0.try_wait().expect("waiting for the demo").is_some()
    }

    /// Waits until they have sent everything or given up.
    pub async fn end(mut self) {
        until("the demo ends", PATIENCE, async || self.have_ended().then_some(())).await;
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A receipt may be repeated by a sender that died before it knew, but never made anew.
async fn each_document_is_accepted_once(client: &Client) {
    let mut accepted = std::collections::BTreeMap::new();
    for receipt in client.all("RECEIPTS").await {
        if receipt.data()["status"] == "accepted" {
            let document = format!("{} {}", receipt.subject, receipt.data()["document"]);
            let first = accepted.entry(document).or_insert_with(|| receipt.text.clone());
            assert_eq!(*first, receipt.text, "accepted twice");
        }
    }
    assert!(accepted.len() > 300, "{}", accepted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_is_made_good_by_the_next() {
    let _alone = alone().await;
    let mut system = System::new();
    // While the cluster is made; when the keys have just been written; when NATS has been told to start.
    for (what, there) in [
        ("the cluster is being made", "postgres.unfinished-"),
        ("the cluster is there", "postgres/PG_VERSION"),
        ("the keys are there", "keys/broker"),
        ("NATS is being started", "nats/nats.conf"),
    ] {
        system.launch(&["up"]);
        let home = system.home();
        until(what, PATIENCE, async || {
            let begins = |name: std::ffi::OsString| name.to_string_lossy().starts_with(there);
            let beside = || std::fs::read_dir(&home).ok()?.flatten().any(|entry| begins(entry.file_name())).then_some(());
            if home.join(there).exists() { Some(()) } else { beside() }
        })
        .await;
        system.kill();
    }
    system.start().await;
    let doctor = system.run(&["doctor"]).await.ok();
    assert!(doctor.contains("everything is well"), "{doctor}");
    system.stop(Signal::SIGTERM).await;
}
