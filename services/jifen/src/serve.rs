//! Starting services and stopping them again; `jifen serve` for existing servers.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use jifen_infra::{Home, Keys, database, key_ids, rights, streams};
use jifen_kernel::Ids;
use jifen_runtime::{
    NatsLogin, Running, ServiceConfig,
    crypto::{LookupKey, SealKey},
    http::{self, Readiness},
    telemetry::Telemetry,
};
use tokio_util::sync::CancellationToken;

use crate::{output::Printer, services, services::Entry, settings::Settings};

/// The servers that services run on.
pub struct Servers {
    /// Any URL of the database; the role's credentials replace those in it.
    pub database_url: String,
    /// NATS.
    pub nats_url: String,
    /// The installation's keys.
    pub keys: Keys,
    /// Its home.
    pub home: PathBuf,
}

/// How a user of ours logs in.
pub fn login(servers: &Servers, user: &str) -> NatsLogin {
    let credentials = rights::credentials(&servers.keys, user);
    NatsLogin {
        url: servers.nats_url.clone(),
        user: Some(credentials.user),
        password: Some(credentials.password),
        inbox_prefix: Some(credentials.inbox_prefix),
    }
}

fn config_of(servers: &Servers, settings: &Settings, telemetry: &Telemetry, service: &str) -> Result<ServiceConfig> {
    let keys = &servers.keys;
    Ok(ServiceConfig {
        database_url: database::database_url(&servers.database_url, keys, service)?,
        nats: login(servers, service),
        seal: SealKey::new(*keys.seal.expose()),
        lookup: LookupKey::new(*keys.lookup.expose()),
        vault: (service == "member").then(|| SealKey::new(*keys.vault.expose())),
        folder: Some(settings.seals_folder(&servers.home)),
        limits: settings.limits(),
        clock: jifen_runtime::travel::clock(),
        ids: Ids::system(),
        telemetry: telemetry.clone(),
    })
}

/// Starts these services, one after the other. If one can't start, those before it are stopped again.
pub async fn start_services(entries: &[Entry], servers: &Servers, settings: &Settings, telemetry: &Telemetry) -> Result<Vec<Running>> {
    let mut running = Vec::with_capacity(entries.len());
    for entry in entries {
        let started = async {
            let config = config_of(servers, settings, telemetry, entry.name)?;
            Ok::<_, anyhow::Error>((entry.service)().start(config).await?)
        };
        match started.await {
            Ok(service) => running.push(service),
            Err(error) => {
                stop_services(running).await;
                return Err(error);
            }
        }
    }
    Ok(running)
}

/// How long services may take to learn of the rules before the process says that it is ready all the same.
const RULES_WITHIN: Duration = Duration::from_secs(10);

/// Waits until every service knows the program: until then documents would only wait. Where `program` itself is down, the
/// services begin with what they know.
pub async fn wait_for_rules(running: &[Running]) {
    let deadline = tokio::time::Instant::now() + RULES_WITHIN;
    loop {
        let known: Vec<Option<u32>> = running
            .iter()
            .filter(|service| service.cx().service != "program")
            .map(|service| service.cx().programs.newest().map(|applied| applied.version))
            .collect();
        let newest = known.iter().max().copied().flatten();
        if known.is_empty() || (newest.is_some() && known.iter().all(|version| *version == newest)) {
            return;
        }
        if tokio::time::Instant::now() > deadline {
            tracing::warn!("not every service knows the program yet; documents wait until it does");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Stops services: all together, since each waits for its own work only.
pub async fn stop_services(running: Vec<Running>) {
    let stopping = running.into_iter().map(|service| async move {
        let name = service.cx().service;
        if !service.stop().await {
            tracing::warn!(service = name, "did not finish in time; the rest is swept at the next start");
        }
    });
    futures_util::future::join_all(stopping).await;
}

/// Resolves at Ctrl-C or SIGTERM.
pub async fn asked_to_stop() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("listening for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

/// `jifen serve`: chosen services against existing servers.
pub async fn serve(settings: Settings, names: &[String]) -> Result<()> {
    let out = Printer;
    let entries = services::chosen(names)?;
    let home = Home::locate(&settings.home)?;
    let needed = "give it as JIFEN_DATABASE_URL; its credentials are not used, services have roles of their own";
    let database_url = settings.database_url.clone().with_context(|| format!("`jifen serve` needs the database's address: {needed}"))?;
    let nats_url = settings.nats_url.clone().context("`jifen serve` needs the broker's address: give it as JIFEN_NATS_URL")?;
    let keys = Keys::load(&home).context("`jifen serve` needs the installation's keys: copy the folder `keys` of its home")?;
    let servers = Servers { database_url, nats_url, keys, home: home.path().to_owned() };
    let first = entries.first().map_or("program", |entry| entry.name);
    let mut connection = database::connect(&database::database_url(&servers.database_url, &servers.keys, first)?).await?;
    key_ids::check_key_ids(&mut connection, &servers.keys).await?;
    sqlx::Connection::close(connection).await?;
    let telemetry = Telemetry::start(settings.otlp_endpoint.as_deref()).map_err(anyhow::Error::msg)?;
    let (readiness, stop) = (Readiness::default(), CancellationToken::new());
    let listener = bind_http(&settings).await?;
    let door = bind_door(&settings).await?;
    let door = door.map(|listener| tokio::spawn(http::serve_only(listener, door_of(&servers, &stop), stop.clone())));
    let health = tokio::spawn(http::serve(listener, readiness.clone(), telemetry.clone(), None, stop.clone()));
    let running = start_services(&entries, &servers, &settings, &telemetry).await?;
    wait_for_rules(&running).await;
    readiness.set(true);
    out.note(format!("serving {}", entries.iter().map(|entry| entry.name).collect::<Vec<_>>().join(" ")));
    asked_to_stop().await?;
    readiness.set(false);
    stop_services(running).await;
    stop.cancel();
    health.await??;
    if let Some(door) = door {
        door.await??;
    }
    telemetry.stop();
    Ok(())
}

/// What is handed in by HTTP.
pub fn door_of(servers: &Servers, stop: &CancellationToken) -> jifen_door::Routes {
    jifen_door::router(jifen_door::Door::new(servers.nats_url.clone(), servers.keys.clone(), stop.clone()))
}

/// Binds the door's own port, if it has one.
pub async fn bind_door(settings: &Settings) -> Result<Option<tokio::net::TcpListener>> {
    let Some(address) = settings.door_address else { return Ok(None) };
    let bound = http::bind(address).await;
    bound.map(Some).with_context(|| format!("can't listen on {address} for documents; choose another with JIFEN_DOOR_ADDRESS"))
}

/// Binds the health port, or says how to choose another.
pub async fn bind_http(settings: &Settings) -> Result<tokio::net::TcpListener> {
    let address = settings.http_address;
    http::bind(address)
        .await
        .with_context(|| format!("can't listen on {address} for health and metrics; choose another with JIFEN_HTTP_ADDRESS"))
}

/// Makes the streams, as the only user who may.
pub async fn prepare_streams(servers: &Servers) -> Result<()> {
    let client = jifen_infra::nats::connect(&servers.nats_url, &rights::credentials(&servers.keys, rights::PROVISIONER)).await?;
    streams::ensure_streams(&client, 1).await?;
    Ok(())
}
