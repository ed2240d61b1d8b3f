//! An installation with servers of its own, from its first start on.

use std::net::TcpListener;
use std::path::PathBuf;

use jifen_infra::binaries::{Search, find_nats_server, find_postgres};
use jifen_infra::database::{self, DatabaseError};
use jifen_infra::home::reachable_dir;
use jifen_infra::key_ids::{KeyIdsError, check_key_ids, open_keys};
use jifen_infra::keys::{KEY_NAMES, KeysError};
use jifen_infra::migrations::{MigrationsError, migrate};
use jifen_infra::nats_server::{NatsOptions, NatsServerError};
use jifen_infra::postgres::{PostgresError, PostgresOptions, data_major};
use jifen_infra::server_user::ServerUser;
use jifen_infra::{Home, Keys, NatsServer, Postgres, bootstrap, nats, quiet, rights, streams};
use jifen_kernel::StoreCode;
use sqlx::Connection;

use crate::schemas::{both, changed, older};

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).expect("port").local_addr().expect("address").port()
}

/// As the kit looks for them, so that both use one cache.
fn search() -> Search {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache"));
    let user = ServerUser::of_this_process();
    Search {
        nats_server: std::env::var_os("JIFEN_NATS_SERVER").map(PathBuf::from),
        postgres_bin: std::env::var_os("JIFEN_POSTGRES_BIN").map(PathBuf::from),
        path: std::env::var_os("PATH"),
        cache: reachable_dir(&cache.join("jifen"), user).expect("cache").0,
        offline: false,
        user,
    }
}

/// A home that servers can reach, whatever the folder of temporary files is.
pub fn home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().expect("dir");
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("open");
    let home = Home::locate(&dir.path().join(".jifen")).expect("home");
    (dir, home)
}

fn stores(codes: &[&str]) -> Vec<StoreCode> {
    codes.iter().map(|code| StoreCode::try_new(*code).expect("store")).collect()
}

fn postgres_options(home: &Home, port: u16) -> PostgresOptions {
    let found = find_postgres(&search(), data_major(home), &quiet).expect("Postgres");
    PostgresOptions { port, ..PostgresOptions::new(found.path) }
}

fn nats_options(port: u16) -> NatsOptions {
    let found = find_nats_server(&search(), &quiet).expect("NATS");
    NatsOptions { port, monitor_port: free_port(), ..NatsOptions::new(found.path) }
}

fn kill_hard(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_from_its_first_start_on() {
    let (_dir, home) = home();
    let _lock = home.lock().expect("lock");
    let port = free_port();

    // What a first start that was killed half way leaves behind does not matter.
    std::fs::create_dir(home.path().join("postgres.unfinished-1")).expect("left over");
    let postgres = Postgres::start(&home, &postgres_options(&home, port), &quiet).expect("first start");
    let url = postgres.admin_url();
    assert!(database::ensure_database(&url).await.expect("made"));
    assert!(!database::ensure_database(&url).await.expect("there"));
    let services = ["points", "tier"];
    let mut admin = database::connect(&url).await.expect("connected");
    let (keys, made) = open_keys(&home, &mut admin).await.expect("keys");
    assert_eq!(made, KEY_NAMES);
    bootstrap::bootstrap(&url, &keys, &services).await.expect("bootstrap");
    let (again, too) = (bootstrap::bootstrap(&url, &keys, &services), bootstrap::bootstrap(&url, &keys, &services));
    let (again, too) = tokio::join!(again, too);
    again.and(too).expect("as often as one likes, also at a time");
    let other = database::database_url(&url, &keys, "points").expect("url");
    migrate(&url, &keys, &both()).await.expect("migrated");
    migrate(&url, &keys, &both()).await.expect("again");
    assert!(matches!(migrate(&url, &keys, &changed()).await, Err(MigrationsError::Changed { service: "points", version: 1 })));
    assert!(matches!(migrate(&url, &keys, &older()).await, Err(MigrationsError::Newer { service: "points", version: 2 })));
    let mut points = database::connect(&other).await.expect("runtime role");
    sqlx::query("insert into entry (points) values (7)").execute(&mut points).await.expect("insert");
    check_key_ids(&mut points, &keys).await.expect("a service may look");

    // What fails says so to its sender, and leaves nothing of its values in the server's log.
    let error = sqlx::query("insert into balance values ('13800138000', 'LSVAU2A37N2183294')").execute(&mut points).await;
    assert!(error.is_err());
    for _ in 0..2 {
        let _ = sqlx::query("insert into balance values ($1, 1)").bind("13800138000").execute(&mut points).await;
    }
    let log = std::fs::read_to_string(home.logs_dir().join("postgres.log")).expect("log");
    assert!(log.contains("ready to accept connections") && !log.contains("13800138000") && !log.contains("LSVAU2A37N2183294"), "{log}");

    // Killed, it comes back with what was committed.
    kill_hard(postgres.pid());
    drop(postgres);
    assert!(matches!(database::connect(&url).await, Err(DatabaseError::Unreachable { .. })));
    let postgres = Postgres::start(&home, &postgres_options(&home, port), &quiet).expect("after a kill");
    let mut points = database::connect(&other).await.expect("runtime role");
    let sum: i64 = sqlx::query_scalar("select sum(points)::bigint from entry").fetch_one(&mut points).await.expect("sum");
    assert_eq!(sum, 7);

    // Other keys, or a lost one, are refused before anything is written.
    let mut admin = database::connect(&url).await.expect("connected");
    let strange = Keys::from_bytes([*keys.vault.expose(), [9; 32], *keys.seal.expose(), *keys.broker.expose()]);
    let error = bootstrap::bootstrap(&url, &strange, &services).await.expect_err("strange keys").to_string();
    assert!(error.contains("`lookup`") && error.contains(&keys.lookup.id()) && error.contains(&strange.lookup.id()), "{error}");
    let vault = home.keys_dir().join("vault");
    std::fs::rename(&vault, home.path().join("kept")).expect("lost");
    let lost = open_keys(&home, &mut admin).await.expect_err("lost key");
    assert!(matches!(lost, KeyIdsError::Keys(KeysError::Missing { name: "vault", .. })), "{lost}");
    assert!(!vault.exists(), "never made anew");
    std::fs::rename(home.path().join("kept"), &vault).expect("restored");
    assert_eq!(open_keys(&home, &mut admin).await.expect("keys").0, keys);

    // Messages say what to do.
    let refused = database::connect(&url.replace("postgres://postgres:", "postgres://postgres:x")).await.expect_err("password").to_string();
    assert!(refused.contains("refuses user postgres") && refused.contains("JIFEN_DATABASE_URL"), "{refused}");
    let nothing = database::connect(&url.replace("/jifen", "/nothing")).await.expect_err("database").to_string();
    assert!(nothing.contains("no database `nothing`"), "{nothing}");
    admin.close().await.expect("closed");
    postgres.stop();
    std::fs::remove_file(home.keys_dir().join("postgres")).expect("lost");
    let error = Postgres::start(&home, &postgres_options(&home, port), &quiet).expect_err("no password");
    assert!(matches!(error, PostgresError::PasswordMissing { .. }), "{error}");
}

#[tokio::test]
async fn an_administrator_without_rights_needs_a_dba_once() {
    let (_dir, home) = home();
    let options = PostgresOptions { unsafe_fast: true, ..postgres_options(&home, free_port()) };
    let postgres = Postgres::start(&home, &options, &quiet).expect("start");
    let (url, keys) = (postgres.admin_url(), Keys::from_bytes([[1; 32], [2; 32], [3; 32], [4; 32]]));
    database::ensure_database(&url).await.expect("made");
    let mut admin = database::connect(&url).await.expect("connected");
    let sql = "create role plain login password 'plain'; create role maker login password 'maker' createrole;
               grant create, connect on database jifen to maker with grant option;
               grant connect on database jifen to plain; alter database jifen owner to maker";
    sqlx::raw_sql(sql).execute(&mut admin).await.expect("roles");
    let password = url.split(':').nth(2).and_then(|rest| rest.split('@').next()).expect("password").to_owned();
    let url_as = |role: &str| url.replace(&format!("postgres:{password}@"), &format!("{role}:{role}@"));

    let error = bootstrap::bootstrap(&url_as("plain"), &keys, &["points"]).await.expect_err("no right").to_string();
    assert!(error.contains("user plain") && error.contains("--print-sql"), "{error}");
    bootstrap::bootstrap(&url_as("maker"), &keys, &["points"]).await.expect("CREATEROLE is enough");
    migrate(&url_as("maker"), &keys, &both()[..1]).await.expect("migrated");
    bootstrap::bootstrap(&url_as("plain"), &keys, &["points"]).await.expect("prepared by another");
    migrate(&url_as("plain"), &keys, &both()[..1]).await.expect("migrators log in as themselves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_from_its_first_start_on() {
    let (_dir, home) = home();
    let keys = Keys::from_bytes([[1; 32], [2; 32], [3; 32], [4; 32]]);
    let (options, known) = (nats_options(free_port()), stores(&["SH01"]));
    let server = NatsServer::start(&home, &keys, options.clone(), &known, &quiet).expect("start");
    let provisioner = nats::connect(&server.url(), &rights::credentials(&keys, "provisioner")).await.expect("connected");
    streams::ensure_streams(&provisioner, 1).await.expect("streams");

    // Whoever comes without credentials from this machine.
    let local = async_nats::connect(server.url()).await.expect("no credentials");
    let js = async_nats::jetstream::new(local);
    jifen_testkit::publish_pos(&js, "pos.v1.SH01.invoice", "{}").await.expect("published");
    let wrong = rights::Credentials { password: "wrong".into(), ..rights::credentials(&keys, "points") };
    let error = nats::connect(&server.url(), &wrong).await.expect_err("refused").to_string();
    assert!(error.contains("refuses user points"), "{error}");

    // Killed, it comes back with its streams.
    kill_hard(server.pid());
    drop(server);
    let mut server = NatsServer::start(&home, &keys, options.clone(), &known, &quiet).expect("after a kill");
    assert!(server.is_healthy());
    let provisioner = nats::connect(&server.url(), &rights::credentials(&keys, "provisioner")).await.expect("connected");
    let mut pos = async_nats::jetstream::new(provisioner).get_stream("POS").await.expect("stream");
    assert_eq!(pos.info().await.expect("info").state.messages, 1);

    // The same stores again: nothing is read anew.
    let written = || std::fs::metadata(home.nats_dir().join("nats.conf")).and_then(|file| file.modified()).expect("its configuration");
    let before = written();
    server.set_stores(&keys, &known).expect("nothing to do");
    assert_eq!(written(), before);

    // A new store may come in while the others stay.
    let store = rights::credentials(&keys, "SH09");
    assert!(nats::connect(&server.url(), &store).await.is_err());
    server.set_stores(&keys, &stores(&["SH01", "SH09"])).expect("reloaded");
    let store = nats::connect(&server.url(), &store).await.expect("known now");
    jifen_testkit::publish_pos(&async_nats::jetstream::new(store), "pos.v1.SH09.invoice", "{}").await.expect("published");
    assert_eq!(pos.info().await.expect("the old connection stays").state.messages, 2);

    // What rests on the disk can't be read there.
    let secret = b"13800138000";
    jifen_testkit::publish_pos(&js_of(&server).await, "pos.v1.SH01.invoice", secret.as_slice()).await.expect("published");
    server.stop();
    let found = files_below(&home.nats_dir()).into_iter().filter(|path| contains(&std::fs::read(path).expect("file"), secret));
    assert_eq!(found.collect::<Vec<_>>(), Vec::<PathBuf>::new());

    // Its port taken by a stranger.
    let stranger = TcpListener::bind(("127.0.0.1", options.port)).expect("port");
    let error = NatsServer::start(&home, &keys, options.clone(), &known, &quiet).expect_err("port taken");
    assert!(matches!(error, NatsServerError::Previous(_)), "{error}");
    assert!(error.to_string().contains("JIFEN_NATS_PORT") && error.to_string().contains(&options.port.to_string()), "{error}");
    drop(stranger);
}

async fn js_of(server: &NatsServer) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.expect("connected"))
}

fn files_below(dir: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("folder").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// `nats-server`, for a test of another module.
pub fn nats_program() -> PathBuf {
    find_nats_server(&search(), &quiet).expect("NATS").path
}
