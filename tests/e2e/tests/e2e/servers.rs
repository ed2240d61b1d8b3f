//! The servers beneath: given by URL, lost while running, not up yet.

use std::path::Path;

use jifen_e2e::{PATIENCE, System, alone, executable, until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{documents::register, operator::says};

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_interrupted_ends_cleanly() {
    let _alone = alone().await;
    let mut system = System::new();
    for (what, there) in [("the cluster is being made", "logs/postgres-initdb.log"), ("the keys are there", "keys/broker")] {
        system.launch(&["up"]);
        let file = system.home().join(there);
        until(what, PATIENCE, async || file.exists().then_some(())).await;
        system.signal(Signal::SIGINT);
        assert_eq!(system.ended().await, Some(0), "{}", system.log());
        // A server that was just being started hears of it from the kernel.
        until("nothing is left", PATIENCE, async || system.processes().is_empty().then_some(())).await;
    }
    system.start().await;
    system.stop(Signal::SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_of_its_servers_it_ends_and_says_which() {
    let _alone = alone().await;
    let mut system = System::new();
    system.start().await;
    for (program, said) in [("nats-server", "the embedded NATS ended"), ("postgres", "the embedded Postgres ended")] {
        let servers = system.processes();
        let named = |(_, line): &&(u32, String)| line.split(' ').next().is_some_and(|path| path.ends_with(program));
        let Some((pid, _)) = servers.iter().find(named) else {
            // Where the kernel tells nothing of processes, none can be found.
            assert!(!Path::new("/proc/self").exists(), "no {program} among {servers:?}");
            return system.stop(Signal::SIGTERM).await;
        };
        kill(Pid::from_raw(i32::try_from(*pid).expect("a pid")), Signal::SIGKILL).expect("killed");
        assert_eq!(system.ended().await, Some(1));
        assert!(system.log().contains(said), "{}", system.log());
        until("nothing is left", PATIENCE, async || system.processes().is_empty().then_some(())).await;
        system.start().await;
    }
    let doctor = system.run(&["doctor"]).await.ok();
    assert!(doctor.contains("everything is well"), "{doctor}");
    system.stop(Signal::SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_given_are_used_and_left_running() {
    let _alone = alone().await;
    let mut servers = System::new();
    servers.start().await;
    // Elsewhere, with the keys of the same installation.
    let given = System::bare().with("JIFEN_DATABASE_URL", servers.database_url());
    let keys = given.home().join("keys");
    std::fs::create_dir_all(&keys).expect("a folder");
    for key in ["vault", "lookup", "seal", "broker"] {
        std::fs::copy(servers.home().join("keys").join(key), keys.join(key)).expect("a copy");
    }
    let mut nowhere = given.command(&["up"]);
    nowhere.env("JIFEN_NATS_URL", "nats://127.0.0.1:1");
    says(&executable::run(nowhere).await.refused(), &["127.0.0.1:1", "JIFEN_NATS_URL"]);
    let mut given = given.with("JIFEN_NATS_URL", servers.nats_url());
    given.start().await;
    says(&given.log(), &["Postgres: the given URL", "NATS: the given URL", &servers.nats_url()]);
    assert_eq!(given.processes().len(), 1, "no servers of its own: {:?}", given.processes());
    says(&given.run(&["doctor"]).await.ok(), &["points: 2 running", "everything is well"]);
    let printed = given.run(&["migrate", "--print-nats", "--store", "SH77"]).await.ok();
    let accounts = printed.split_once("accounts: ").map(|(_, text)| serde_json::from_str::<Value>(text));
    let accounts = accounts.expect("accounts").expect("JSON, which NATS reads");
    let users: Vec<&str> = accounts["JIFEN"]["users"].as_array().expect("users").iter().filter_map(|user| user["user"].as_str()).collect();
    for user in ["SH01", "SH77", "points", "gateway_sms", "operator", "provisioner"] {
        assert!(users.contains(&user), "no {user} among {users:?}");
    }
    // The services of the one go, those of the other do the work.
    let client = servers.client().await;
    given.signal(Signal::SIGTERM);
    assert_eq!(given.ended().await, Some(0), "{}", given.log());
    assert_eq!(given.processes(), [], "processes left behind");
    register(&client, 0, "SH01").await;
    servers.quiet(&client).await;
    servers.stop(Signal::SIGTERM).await;
}
