//! Stores that send the demo's documents to a system which is killed meanwhile.

use std::process::{Child, Stdio};

use jifen_e2e::{Client, PATIENCE, System, until};

use crate::same_result::DEMO;

/// A dead process's messages come again after this time: soon, so that the test need not wait.
pub const ACK_WAIT_S: &str = "3";

/// Lets stores send, kills the system in the middle of the work, `after` so many receipts with what follows from them under way,
/// and starts it again after what happens `meanwhile`.
pub async fn kill_at_receipt(system: &mut System, after: u64, meanwhile: impl AsyncFnOnce(&System)) {
    let client = system.client().await;
    let mut stores = Stores::begin(system);
    let moment = client.end("RECEIPTS").await + after;
    until(&format!("{moment} receipts"), PATIENCE, async || {
        assert!(!stores.have_ended(), "the stores' documents ran out before receipt {moment}");
        (client.end("RECEIPTS").await >= moment).then_some(())
    })
    .await;
    system.kill();
    meanwhile(system).await;
    system.start().await;
    // They notice, or they don't.
    stores.end().await;
}

/// Sends again whatever has no receipt, and waits until all is done; gives what the doctor says of it.
pub async fn make_good(system: &System) -> (Client, String) {
    system.run(&DEMO).await.ok();
    let client = system.client().await;
    system.quiet(&client).await;
    let doctor = system.run(&["doctor"]).await.ok();
    (client, doctor)
}

/// The stores that send the demo's documents: a process of their own, which nobody kills.
struct Stores(Child);

impl Stores {
    fn begin(system: &System) -> Self {
        let mut command = system.command(&DEMO);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the demo starts"))
    }

    fn have_ended(&mut self) -> bool {
        self.0.try_wait().expect("waiting for the demo").is_some()
    }

    /// Waits until they have sent everything or given up.
    async fn end(mut self) {
        until("the demo ends", PATIENCE, async || self.have_ended().then_some(())).await;
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
