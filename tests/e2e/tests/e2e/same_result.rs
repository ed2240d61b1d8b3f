//! The demo's documents come to the same, however often and in whatever order they are sent, and however many copies of the
//! services share the work.

use jifen_e2e::{Ledger, System, alone, today};
use nix::sys::signal::Signal;
use tokio::sync::Mutex;

/// The sample group, small enough for a test and large enough to have everything in it.
pub const DEMO: [&str; 5] = ["demo", "--members", "60", "--invoices", "400"];
/// Copies beside the first.
const COPIES: usize = 3;
/// Four copies of every service share the embedded database.
const CONNECTIONS: &str = "3";

/// What the demo comes to where nothing disturbs it. Played once for all tests of a day: its documents are of the ten days that
/// end yesterday.
pub async fn undisturbed() -> Ledger {
    static PLAYED: Mutex<Option<(chrono::NaiveDate, Ledger)>> = Mutex::const_new(None);
    let mut played = PLAYED.lock().await;
    let day = today();
    if let Some((_, ledger)) = played.as_ref().filter(|(played_on, _)| *played_on == day) {
        return ledger.clone();
    }
    let mut system = System::new();
    system.start().await;
    let client = system.client().await;
    let summary = system.run(&DEMO).await.ok();
    for part in ["accepted", "parked document.keys_disagree", "rejected document.conflict", "campaign double_week@2", "silver"] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    system.quiet(&client).await;
    let ledger = Ledger::read(&client).await;
    assert!(ledger.members == 60 && ledger.entries.len() > 400 && !ledger.parked.is_empty(), "{ledger:#?}");
    system.stop(Signal::SIGTERM).await;
    *played = Some((day, ledger.clone()));
    ledger
}

/// Plays on a day that is not over before the end: across midnight the demo's documents are others, and nothing can be compared.
pub async fn compare_with_undisturbed(play: impl AsyncFn() -> Ledger) {
    loop {
        let day = today();
        let expected = undisturbed().await;
        let found = play().await;
        if today() == day {
            return expected.assert_same(&found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_three_times_and_shuffled_to_four_copies() {
    let _alone = alone().await;
    compare_with_undisturbed(async || {
        let mut system = System::new().with("JIFEN_CONNECTIONS", CONNECTIONS);
        system.start().await;
        for _ in 0..COPIES {
            system.add_copy().await;
        }
        let client = system.client().await;
        assert_eq!(client.ask_all("$SRV.PING").await.len(), (COPIES + 1) * 7, "every service has its copies");
        let mut arguments = DEMO.to_vec();
        arguments.extend(["--times", "3", "--shuffle"]);
        system.run(&arguments).await.ok();
        system.quiet(&client).await;
        let doctor = system.run(&["doctor"]).await.ok();
        assert!(doctor.contains("points: 4 running") && doctor.contains("everything is well"), "{doctor}");
        let ledger = Ledger::read(&client).await;
        system.stop(Signal::SIGTERM).await;
        ledger
    })
    .await;
}
