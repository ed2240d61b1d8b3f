//! `jifen up`: everything in one process, with its own NATS and Postgres unless URLs are given.

use std::{
    collections::BTreeSet,
    env,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use jifen_contracts::{
    EventType, Problem,
    endpoint::{ProgramGet, ProgramGetRequest, ProgramList, ProgramsRequest},
    event::ProgramApplied,
};
use jifen_infra::{
    Home, HomeLock, Keys, NatsServer, Postgres,
    binaries::{self, Search},
    bootstrap, database, key_ids, migrations,
    nats_server::NatsOptions,
    postgres::{self, PostgresOptions},
};
use jifen_kernel::{Clock, StoreCode, SystemClock};
use jifen_runtime::{
    ask,
    http::{self, Readiness},
    telemetry::Telemetry,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    demo,
    keep::keep,
    output::Printer,
    running::RunningFile,
    serve::{Servers, asked_to_stop, bind_door, bind_http, door_of, login, prepare_streams, start_services, stop_services, wait_for_rules},
    services,
    settings::Settings,
};

/// How often the children are looked after.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The child processes of this run. Dropped in this order: the broker first, then the database.
struct Children {
    nats: Option<NatsServer>,
    postgres: Option<Postgres>,
    _lock: HomeLock,
}

impl Children {
    /// Says which child has ended by itself.
    fn check(&mut self) -> Result<()> {
        if let Some(nats) = &mut self.nats {
            nats.check().context("the embedded NATS ended")?;
        }
        if let Some(postgres) = &mut self.postgres {
            postgres.check().context("the embedded Postgres ended")?;
        }
        Ok(())
    }

    fn stop(mut self) {
        if let Some(nats) = self.nats.take() {
            nats.stop();
        }
        if let Some(postgres) = self.postgres.take() {
            postgres.stop();
        }
    }
}

/// Runs until it is asked to stop.
pub async fn up(settings: Settings, with_demo: bool) -> Result<()> {
    let started = Instant::now();
    let home = Home::locate(&settings.home)?;
    if let Some(notice) = home.notice() {
        Printer.note(notice);
    }
    let lock = home.lock()?;
    let listener = bind_http(&settings).await?;
    let own_door = bind_door(&settings).await?;
    // A stop that comes while servers start must not wait for them to be used.
    let mut stopping = Box::pin(asked_to_stop());
    let prepared = tokio::select! {
        prepared = prepare(&settings, &home, lock) => prepared?,
        asked = &mut stopping => return asked,
    };
    let (mut children, servers) = prepared;
    let telemetry = Telemetry::start(settings.otlp_endpoint.as_deref()).map_err(anyhow::Error::msg)?;
    let (readiness, stop) = (Readiness::default(), CancellationToken::new());
    let keeper = tokio::spawn(keep(servers.nats_url.clone(), servers.keys.clone(), stop.clone()));
    let (mut beside, mut door) = (Some(door_of(&servers, &stop)), None);
    if let (Some(listener), Some(routes)) = (own_door, beside.take_if(|_| settings.door_address.is_some())) {
        door = Some(tokio::spawn(http::serve_only(listener, routes, stop.clone())));
    }
    let health = tokio::spawn(http::serve(listener, readiness.clone(), telemetry.clone(), beside, stop.clone()));
    // Asked to stop meanwhile, or unable to start: what runs already goes with the services' own connections.
    let entries = services::all();
    let started_services = tokio::select! {
        running = start_services(&entries, &servers, &settings, &telemetry) => running.map(Some),
        asked = &mut stopping => asked.map(|()| None),
    };
    let running = match started_services {
        Ok(Some(running)) => running,
        other => {
            stop.cancel();
            tokio::task::spawn_blocking(move || children.stop()).await?;
            return other.map(|_| ());
        }
    };
    let file = RunningFile { nats_url: servers.nats_url.clone(), http_address: settings.http_address.to_string(), pid: std::process::id() };
    file.save(home.path()).with_context(|| format!("writing to {}", home.path().display()))?;
    let (stores_sender, mut stores) = mpsc::channel(1);
    let watch = tokio::spawn(watch_stores(login(&servers, "program"), stores_sender, stop.clone()));
    wait_for_rules(&running).await;
    readiness.set(true);
    say_ready(&settings, &home, &servers, started.elapsed());

    let mut demo_run = with_demo.then(|| {
        let settings = settings.clone();
        tokio::spawn(async move { demo::run(&settings, &demo::Options::default(), Printer).await })
    });
    let outcome = loop {
        let demo_done = async {
            match &mut demo_run {
                Some(run) => run.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            asked = &mut stopping => break asked,
            done = demo_done => {
                demo_run = None;
                match done {
                    Ok(Ok(())) => Printer.note("The system goes on running; Ctrl-C stops it."),
                    Ok(Err(error)) => Printer.error(&format!("the demo did not finish: {error:#}")),
                    Err(error) => Printer.error(&format!("the demo did not finish: {error}")),
                }
            }
            Some(codes) = stores.recv() => {
                if let Some(nats) = &mut children.nats
                    && let Err(error) = nats.set_stores(&servers.keys, &codes)
                {
                    tracing::error!(%error, "the stores' users could not be renewed");
                }
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                if let Err(error) = children.check() {
                    break Err(error);
                }
            }
        }
    };
    Printer.note("stopping …");
    readiness.set(false);
    if let Some(run) = demo_run {
        run.abort();
    }
    stop.cancel();
    stop_services(running).await;
    RunningFile::remove(home.path());
    tokio::task::spawn_blocking(move || children.stop()).await?;
    health.await??;
    if let Some(door) = door {
        door.await??;
    }
    watch.await?;
    keeper.await?;
    telemetry.stop();
    Printer.note("stopped.");
    outcome
}

/// Servers up, database and streams ready.
async fn prepare(settings: &Settings, home: &Home, lock: HomeLock) -> Result<(Children, Servers)> {
    let mut children = Children { nats: None, postgres: None, _lock: lock };
    let say = |line: &str| Printer.note(line);
    let database_url = if let Some(url) = &settings.database_url {
        Printer.note("Postgres: the given URL");
        url.clone()
    } else {
        let (home, settings) = (home.clone(), settings.clone());
        let server = tokio::task::spawn_blocking(move || start_postgres(&settings, &home)).await??;
        let url = server.admin_url();
        children.postgres = Some(server);
        url
    };
    database::ensure_database(&database_url).await?;
    let mut connection = database::connect(&database_url).await?;
    let (keys, made) = key_ids::open_keys(home, &mut connection).await?;
    sqlx::Connection::close(connection).await?;
    if !made.is_empty() {
        let folder = home.keys_dir();
        say(&format!(
            "new keys ({}) in {}: BACK THEM UP. Without them nobody can read the members' data.",
            made.join(", "),
            folder.display()
        ));
    }
    let entries = services::all();
    let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    let schemas: Vec<_> = entries.into_iter().map(|entry| entry.schema).collect();
    bootstrap::bootstrap(&database_url, &keys, &names).await?;
    migrations::migrate(&database_url, &keys, &schemas).await?;
    let nats_url = if let Some(url) = &settings.nats_url {
        Printer.note("NATS: the given URL");
        url.clone()
    } else {
        let stores = first_stores(&database::database_url(&database_url, &keys, "program")?).await?;
        let (home, settings, keys) = (home.clone(), settings.clone(), keys.clone());
        let server = tokio::task::spawn_blocking(move || start_nats(&settings, &home, &keys, &stores)).await??;
        let url = server.url();
        children.nats = Some(server);
        url
    };
    let servers = Servers { database_url, nats_url, keys, home: home.path().to_owned() };
    prepare_streams(&servers).await?;
    Ok((children, servers))
}

fn search(settings: &Settings, home: &Home) -> Search {
    Search {
        nats_server: settings.nats_server.clone(),
        postgres_bin: settings.postgres_bin.clone(),
        path: env::var_os("PATH"),
        cache: home.bin_dir(),
        offline: settings.offline,
        user: home.server_user(),
    }
}

fn start_postgres(settings: &Settings, home: &Home) -> Result<Postgres> {
    let say = |line: &str| Printer.note(line);
    let found = binaries::find_postgres(&search(settings, home), postgres::data_major(home), &say)?;
    say(&format!("Postgres: {found}"));
    let options = PostgresOptions { port: settings.postgres_port, ..PostgresOptions::new(found.path) };
    Ok(Postgres::start(home, &options, &say)?)
}

/// The stores that have a user when the embedded broker starts, before `program` can be asked: a store's client that is
/// refused once may not come again. At the very first start, those that the first version will have.
pub async fn first_stores(program_url: &str) -> Result<Vec<StoreCode>> {
    let known = jifen_program::stores(program_url, SystemClock.now()).await.context("reading the stores of the program")?;
    Ok(if known.is_empty() { default_stores() } else { known }.into_iter().collect())
}

/// Those of the program that a first start stores.
pub fn default_stores() -> BTreeSet<StoreCode> {
    ["SH01", "SH02", "SH03"].into_iter().filter_map(|code| StoreCode::try_new(code).ok()).collect()
}

fn start_nats(settings: &Settings, home: &Home, keys: &Keys, stores: &[StoreCode]) -> Result<NatsServer> {
    let say = |line: &str| Printer.note(line);
    if !settings.nats_host.is_loopback() {
        bail!(
            "nats_host {} is not this machine's own address, and this release's embedded NATS has no TLS: personal data would cross the \
             network in the clear. Give a NATS of your own with TLS as JIFEN_NATS_URL instead",
            settings.nats_host
        );
    }
    let found = binaries::find_nats_server(&search(settings, home), &say)?;
    say(&format!("NATS: {found}"));
    let options = NatsOptions {
        host: settings.nats_host,
        port: settings.nats_port,
        monitor_port: settings.nats_monitor_port,
        sync_always: settings.nats_sync_always,
        ..NatsOptions::new(found.path)
    };
    Ok(NatsServer::start(home, keys, options, stores, &say)?)
}

/// How often the stores are asked for, in case an announcement was missed.
const STORES_EVERY: Duration = Duration::from_secs(30);

/// Sends the stores that have a user at the broker whenever they change: those of the program in force, and of every
/// later one, so that nobody is cut off before a version begins.
async fn watch_stores(login: jifen_runtime::NatsLogin, sender: mpsc::Sender<Vec<StoreCode>>, stop: CancellationToken) {
    use futures_util::StreamExt;
    let follow = async {
        let client = login.connect("stores").await.map_err(|e| e.to_string())?;
        let mut announced = client.subscribe(ProgramApplied::filter()).await.map_err(|e| e.to_string())?;
        let mut ask_at = tokio::time::interval(STORES_EVERY);
        let mut known = Vec::new();
        loop {
            tokio::select! {
                _ = ask_at.tick() => {}
                message = announced.next() => if message.is_none() { return Err("the connection ended".to_owned()) },
            }
            match current_stores(&client).await {
                Ok(stores) if stores != known => {
                    if sender.send(stores.clone()).await.is_err() {
                        return Ok(());
                    }
                    known = stores;
                }
                Ok(_) => {}
                Err(problem) => tracing::warn!(%problem, "the stores can't be asked for; trying again"),
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        result = follow => if let Err(error) = result {
            tracing::error!(error, "the stores' users are no longer kept current; restart to renew them");
        }
    }
}

async fn current_stores(client: &async_nats::Client) -> Result<Vec<StoreCode>, Problem> {
    let in_force = ask::<ProgramGet>(client, &ProgramGetRequest { version: None }).await?;
    let mut after = in_force.version;
    let mut versions = vec![in_force];
    loop {
        let page = ask::<ProgramList>(client, &ProgramsRequest { after }).await?;
        after = page.versions.last().map_or(after, |last| last.version);
        let more = page.more;
        versions.extend(page.versions);
        if !more {
            break;
        }
    }
    let codes: BTreeSet<StoreCode> = versions.into_iter().flat_map(|applied| applied.program.stores).map(|store| store.code).collect();
    Ok(codes.into_iter().collect())
}

fn say_ready(settings: &Settings, home: &Home, servers: &Servers, took: Duration) {
    let out = Printer;
    out.note(format!("ready in {}.{} s", took.as_secs(), took.subsec_millis() / 100));
    out.note(format!("  NATS      {}   (documents: pos.v1.<store>.<kind>, endpoints: api.>)", servers.nats_url));
    out.note(format!("  health    http://{0}/readyz   metrics http://{0}/metrics", settings.http_address));
    let door = settings.door_address.unwrap_or(settings.http_address);
    out.note(format!(
        "  documents http://{door}/v1/documents/<kind>   (token: jifen store credentials <store>; OpenAPI: /v1/openapi.json)"
    ));
    out.note(format!("  home      {}", home.path().display()));
}

/// A system that is asked for something must run.
pub fn not_running(home: &std::path::Path) -> anyhow::Error {
    anyhow::anyhow!("no jifen answers for {}: start it with `jifen up`, or name its home with --home", home.display())
}

/// Fails with a hint where nothing could be meant.
pub fn refuse_empty<T>(list: &[T], hint: &str) -> Result<()> {
    if list.is_empty() {
        bail!("{hint}");
    }
    Ok(())
}
