//! `with-servers`: what it starts ends with it, also when it is killed.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use jifen_infra::{NatsServer, nats_server::NatsOptions, quiet};
use jifen_testkit::{eventually, test_keys};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A fast shutdown with its checkpoint, on a machine that does other things.
const SOON: Duration = Duration::from_secs(30);

fn with_servers() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_with-servers"));
    command.env("JIFEN_TEST_SERVERS", "local").env_remove("JIFEN_TEST_DATABASE_URL").env_remove("JIFEN_TEST_NATS_URL");
    command
}

fn address(url: &str) -> SocketAddr {
    let rest = url.rsplit_once("//").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next().expect("address").parse().expect("address")
}

async fn until_closed(address: SocketAddr) {
    eventually(SOON, || async { TcpStream::connect(address).is_err().then_some(()) }).await;
}

#[test]
fn it_ends_as_the_command_did() {
    let status = with_servers().args(["sh", "-c", "exit 7"]).status().expect("run");
    assert_eq!(status.code(), Some(7));
}

#[tokio::test]
async fn killed_or_interrupted_it_leaves_nothing_running() {
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let script = "echo $JIFEN_TEST_DATABASE_URL; echo $JIFEN_TEST_NATS_URL; exec cat";
        let mut command = with_servers();
        command.args(["sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut runner = command.spawn().expect("run");
        let mut lines = BufReader::new(runner.stdout.take().expect("stdout")).lines();
        let mut next = || address(&lines.next().expect("line").expect("line"));
        let servers = [next(), next()];
        assert!(servers.iter().all(|address| TcpStream::connect(address).is_ok()));
        kill(Pid::from_raw(i32::try_from(runner.id()).expect("pid")), signal).expect("signalled");
        for address in servers {
            until_closed(address).await;
        }
        drop(runner.stdin.take());
        let ended = runner.wait().expect("ended");
        assert!(!ended.success());
    }
}

/// The servers of a killed run may still be stopping when the next one starts; here one does not even know that it should.
#[test]
fn a_start_waits_for_the_servers_of_a_killed_run() {
    let (_dir, home) = crate::installation::home();
    let port = || std::net::TcpListener::bind(("127.0.0.1", 0)).expect("port").local_addr().expect("address").port();
    let found = crate::installation::nats_program();
    let options = NatsOptions { port: port(), monitor_port: port(), ..NatsOptions::new(found) };
    let first = NatsServer::start(&home, &test_keys(), options.clone(), &[], &quiet).expect("start");
    let said = std::sync::Mutex::new(Vec::new());
    let note = |line: &str| said.lock().expect("lock").push(line.to_owned());
    let second = NatsServer::start(&home, &test_keys(), options, &[], &note).expect("second start");
    assert_ne!(first.pid(), second.pid());
    let said = said.lock().expect("lock").join("\n");
    assert!(said.contains("NATS of an earlier run"), "{said}");
}
