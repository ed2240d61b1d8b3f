//! `kill -9` of the whole program, at any moment, costs time only.

use jifen_e2e::{Client, Ledger, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    same_result::compare_with_undisturbed,
    stores::{ACK_WAIT_S, kill_at_receipt, make_good},
};

const SEED: u64 = 20_261_001;
const KILLS: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_comes_to_the_same() {
    let _alone = alone().await;
    compare_with_undisturbed(async || {
        let mut rng = StdRng::seed_from_u64(SEED);
        let mut system = System::new().with("JIFEN_ACK_WAIT_S", ACK_WAIT_S);
        system.start().await;
        for _ in 0..KILLS {
            kill_at_receipt(&mut system, rng.random_range(20..250), async |_| ()).await;
        }
        let (client, doctor) = make_good(&system).await;
        assert!(doctor.contains("no dead letters") && doctor.contains(" 0 wait for campaign's answer"), "{doctor}");
        each_document_is_accepted_once(&client).await;
        let ledger = Ledger::read(&client).await;
        system.stop(Signal::SIGTERM).await;
        ledger
    })
    .await;
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
