//! The pair as containers, with the same accounts as the local one.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use jifen_infra::nats_config::{ServerSettings, render};
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::runtime::Runtime;

use crate::accounts::{accounts, test_keys};

const PASSWORD: &str = "test";
const MAX_FILE_STORE: i64 = 1024 * 1024 * 1024 * 1024;
/// Images may have to be fetched first.
const STARTUP: Duration = Duration::from_mins(5);
/// A process that keeps the pair to its end can't remove it: then the containers end by themselves.
const LIFETIME_S: &str = "5400";

#[derive(Debug)]
pub(crate) struct Docker {
    pub(crate) database_url: String,
    pub(crate) nats_url: String,
    // Containers remove themselves on this runtime when they are dropped, so they go first.
    _containers: [ContainerAsync<GenericImage>; 2],
    _runtime: Runtime,
}

impl Docker {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (database_url, nats_url, containers) = runtime.block_on(async {
            let (postgres, nats) = tokio::try_join!(postgres(), nats())?;
            let database_port = postgres.get_host_port_ipv4(5432).await?;
            let nats_port = nats.get_host_port_ipv4(4222).await?;
            let (host, nats_host) = (postgres.get_host().await?, nats.get_host().await?);
            let database_url = format!("postgres://postgres:{PASSWORD}@{host}:{database_port}/postgres");
            anyhow::Ok((database_url, format!("nats://{nats_host}:{nats_port}"), [postgres, nats]))
        })?;
        Ok(Self { database_url, nats_url, _containers: containers, _runtime: runtime })
    }
}

async fn postgres() -> anyhow::Result<ContainerAsync<GenericImage>> {
    let settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=400", "log_statement=none"];
    let mut command = vec!["timeout", "-s", "INT", LIFETIME_S, "docker-entrypoint.sh", "postgres"];
    command.extend(settings.iter().flat_map(|setting| ["-c", setting]));
    let image = GenericImage::new("postgres", "16")
        .with_entrypoint("/usr/bin/env")
        .with_exposed_port(5432.tcp())
        // It starts twice: once to make the cluster, without a port, then for good.
        .with_wait_for(WaitFor::message_on_stderr("listening on IPv4 address"))
        .with_wait_for(WaitFor::message_on_stderr("database system is ready to accept connections"));
    let request = image.with_env_var("POSTGRES_PASSWORD", PASSWORD).with_cmd(command).with_startup_timeout(STARTUP);
    request.start().await.context("postgres:16")
}

async fn nats() -> anyhow::Result<ContainerAsync<GenericImage>> {
    let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let settings = ServerSettings {
        host: everywhere,
        port: 4222,
        monitor: (everywhere, 8222),
        dir: Path::new("/data"),
        max_file_store: MAX_FILE_STORE,
        sync_always: false,
        no_auth_user: None,
        tls: None,
    };
    let config = render(&settings, &test_keys(), &accounts());
    let image = GenericImage::new("nats", "2.12-alpine")
        .with_entrypoint("/usr/bin/env")
        .with_exposed_port(4222.tcp())
        .with_wait_for(WaitFor::message_on_stderr("Server is ready"));
    let command = ["timeout", "-s", "TERM", LIFETIME_S, "nats-server", "--config", "/etc/nats/jifen-test.conf"];
    let request = image.with_copy_to("/etc/nats/jifen-test.conf", config.into_bytes()).with_cmd(command).with_startup_timeout(STARTUP);
    request.start().await.context("nats:2.12-alpine")
}
