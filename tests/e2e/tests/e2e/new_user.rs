//! The first minutes of a new user: nothing is given, nothing is there.

use jifen_e2e::{PATIENCE, System, alone, until};
use nix::sys::signal::Signal;

#[tokio::test(flavor = "multi_thread")]
async fn up_with_the_demo_from_nothing_and_again() {
    let _alone = alone().await;
    // Neither servers nor settings; only ports, for those of this machine may be taken.
    let mut system = System::bare();
    system.launch(&["up", "--demo"]);
    system.wait_until_ready().await;
    until("the demo has been played", PATIENCE * 2, async || {
        let log = system.log();
        assert!(!log.contains("the demo did not finish"), "{log}");
        log.contains("Ctrl-C stops it").then_some(())
    })
    .await;
    let log = system.log();
    for part in ["BACK THEM UP", "2140 documents sent", "members: members 200", "unsettled 0", "campaign double_week@2", "Try next"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let number = log.lines().find_map(|line| Some(line.split_once("jifen account ")?.1.trim())).expect("a member to look at").to_owned();
    let before = system.run(&["account", &number]).await.ok();
    assert!(before.contains("可用 active"), "{before}");
    let doctor = system.run(&["doctor"]).await;
    assert!(doctor.status.success() && doctor.stdout.contains("everything is well"), "{doctor:?}");
    // Ctrl-C.
    system.stop(Signal::SIGINT).await;
    assert!(system.log().trim_end().ends_with("stopped."), "{}", system.log());

    system.start().await;
    let log = system.log();
    let second = log.rsplit_once("stopped.").expect("two starts").1;
    assert!(!second.contains("new keys") && !second.contains("fetching") && !second.contains("making a new"), "{second}");
    assert_eq!(system.run(&["account", &number]).await.ok(), before, "the data is still there");
    system.stop(Signal::SIGTERM).await;
}
