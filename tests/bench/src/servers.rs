//! Servers of a stage's own: Postgres and NATS with the product's settings, in a temporary home that goes with them.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use async_nats::{Client, jetstream};
use jifen_infra::{
    Home, Keys, NatsServer, Postgres,
    binaries::{self, Search},
    database,
    home::reachable_dir,
    key_ids,
    nats_server::NatsOptions,
    postgres::PostgresOptions,
    rights,
    server_user::ServerUser,
    streams,
};
use jifen_kernel::StoreCode;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The stores of the default program.
pub const STORES: [&str; 3] = ["SH01", "SH02", "SH03"];
/// What an operator may put beside the settings: statements are counted, if this Postgres can.
const COUNTED: &str = "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = top\n";

/// A pair of servers.
pub struct Servers {
    // In this order they end: the servers, then their folder.
    nats: NatsServer,
    postgres: Option<Postgres>,
    options: PostgresOptions,
    /// The installation's keys.
    pub keys: Keys,
    /// Their home, also that of the program under test.
    pub home: Home,
    _dir: TemporaryDir,
    /// Statements can be counted.
    pub counts_statements: bool,
    /// How the broker keeps what it is given.
    pub sync: Sync,
}

/// How the broker keeps what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// As the product does, which leaves the time to the server.
    Default,
    /// Every write, before it is acknowledged.
    Always,
}

impl Servers {
    /// Starts them with streams, without any table. `name` tells the homes of one run apart.
    pub async fn start(name: &str, sync: Sync) -> Result<Self> {
        let name = format!("jifen-bench-{}-{name}", std::process::id());
        // Starting blocks, some seconds in all.
        let started = tokio::task::block_in_place(|| StartedPostgres::start(&name))?;
        let url = started.postgres.admin_url();
        database::ensure_database(&url).await?;
        let mut connection = database::connect(&url).await?;
        let (keys, _) = key_ids::open_keys(&started.home, &mut connection).await?;
        if started.counts_statements {
            sqlx::raw_sql("create extension if not exists pg_stat_statements").execute(&mut connection).await?;
        }
        connection.close().await?;
        let stores: Vec<StoreCode> = STORES.iter().map(|code| StoreCode::try_new(*code)).collect::<Result<_, _>>()?;
        let options = NatsOptions {
            port: free_port()?,
            monitor_port: free_port()?,
            sync_always: sync == Sync::Always,
            ..NatsOptions::new(started.nats_program)
        };
        let StartedPostgres { home, dir, postgres, options: postgres_options, counts_statements, .. } = started;
        let nats = tokio::task::block_in_place(|| NatsServer::start(&home, &keys, options, &stores, &jifen_infra::quiet))?;
        let servers = Self { nats, postgres: Some(postgres), options: postgres_options, keys, home, _dir: dir, counts_statements, sync };
        streams::ensure_streams(&servers.provisioner().await?.0, 1).await?;
        Ok(servers)
    }

    /// Restarts Postgres with these settings beside the product's.
    pub fn restart_postgres(&mut self, settings: &str) -> Result<()> {
        let counted = if self.counts_statements { COUNTED } else { "" };
        fs::write(self.home.postgres_dir().join("local.conf"), format!("{counted}{settings}"))?;
        tokio::task::block_in_place(|| {
            if let Some(postgres) = self.postgres.take() {
                postgres.stop();
            }
            self.postgres = Some(Postgres::start(&self.home, &self.options, &jifen_infra::quiet)?);
            Ok(())
        })
    }

    fn postgres(&self) -> &Postgres {
        self.postgres.as_ref().unwrap_or_else(|| unreachable!("it runs but for a moment of its restart"))
    }

    /// A connection that may do everything.
    pub async fn provisioner(&self) -> Result<(Client, jetstream::Context)> {
        let client = jifen_infra::nats::connect(&self.nats_url(), &rights::credentials(&self.keys, rights::PROVISIONER)).await?;
        Ok((client.clone(), jetstream::new(client)))
    }

    /// Where the broker is.
    pub fn nats_url(&self) -> String {
        self.nats.url()
    }

    /// The administrator's URL of the product's database.
    pub fn admin_url(&self) -> String {
        self.postgres().admin_url()
    }

    /// The postmaster's process.
    pub fn postgres_pid(&self) -> u32 {
        self.postgres().pid()
    }

    /// The broker's.
    pub fn nats_pid(&self) -> u32 {
        self.nats.pid()
    }

    /// The administrator, in the product's database.
    pub async fn admin(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.admin_url()).await?)
    }

    /// Makes a role with tables of its own in a schema of its own, and gives the role's URL.
    pub async fn own_schema(&self, role: &str, tables: &str) -> Result<String> {
        let password = self.keys.derive(&format!("bench/{role}"));
        let mut admin = self.admin().await?;
        let setup = format!(
            "create role {role} login password '{password}'; create schema {role} authorization {role};
             alter role {role} set search_path = {role}; set role {role}; set search_path = {role}; {tables}"
        );
        sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut admin).await?;
        admin.close().await?;
        Ok(self.admin_url().replacen(&format!("postgres:{}", self.admin_password()?), &format!("{role}:{password}"), 1))
    }

    fn admin_password(&self) -> Result<String> {
        let password = fs::read_to_string(self.home.keys_dir().join("postgres")).context("the administrator's password")?;
        Ok(password.trim().to_owned())
    }
}

/// A Postgres with the folder that it works in, and the broker's program.
struct StartedPostgres {
    postgres: Postgres,
    options: PostgresOptions,
    counts_statements: bool,
    nats_program: PathBuf,
    home: Home,
    dir: TemporaryDir,
}

impl StartedPostgres {
    fn start(name: &str) -> Result<Self> {
        let home = Home::locate(&std::env::temp_dir().join(name))?;
        let dir = TemporaryDir::of(&home);
        let programs = ServerPrograms::find(home.server_user())?;
        let options = PostgresOptions { port: free_port()?, ..PostgresOptions::new(programs.postgres_bin) };
        // Its folder must be there before its settings can be added to.
        Postgres::start(&home, &options, &jifen_infra::quiet)?.stop();
        let own_settings = home.postgres_dir().join("local.conf");
        fs::write(&own_settings, COUNTED)?;
        let counting = Postgres::start(&home, &options, &jifen_infra::quiet).ok();
        let counts_statements = counting.is_some();
        let postgres = if let Some(postgres) = counting {
            postgres
        } else {
            fs::write(&own_settings, "")?;
            Postgres::start(&home, &options, &jifen_infra::quiet)?
        };
        Ok(Self { postgres, options, counts_statements, nats_program: programs.nats_server, home, dir })
    }
}

/// The servers' programs.
#[derive(Debug, Clone)]
pub struct ServerPrograms {
    /// The folder of Postgres's.
    pub postgres_bin: PathBuf,
    /// `nats-server`.
    pub nats_server: PathBuf,
}

impl ServerPrograms {
    /// Finds or fetches them, as the product does, with a cache that all runs share. Blocks.
    pub fn find(user: ServerUser) -> Result<Self> {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache"))).unwrap_or_else(std::env::temp_dir);
        let (cache, _) = reachable_dir(&cache.join("jifen"), user)?;
        let search = Search {
            nats_server: path("JIFEN_NATS_SERVER"),
            postgres_bin: path("JIFEN_POSTGRES_BIN"),
            path: std::env::var_os("PATH"),
            cache,
            offline: path("JIFEN_OFFLINE").is_some(),
            user,
        };
        let say = |line: &str| crate::report::note(line);
        let (postgres, nats) = (binaries::find_postgres(&search, None, &say)?, binaries::find_nats_server(&search, &say)?);
        crate::machine::used(&[format!("Postgres {}", postgres.version), format!("NATS {}", nats.version)]);
        Ok(Self { postgres_bin: postgres.path, nats_server: nats.path })
    }
}

/// A port that is free now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("looking for a free port")?.local_addr()?.port())
}

/// A home that goes with this value.
pub struct TemporaryDir(PathBuf);

impl TemporaryDir {
    /// Takes charge of a home.
    pub fn of(home: &Home) -> Self {
        Self(home.path().to_path_buf())
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        let dir: &Path = &self.0;
        if let Err(error) = fs::remove_dir_all(dir) {
            crate::report::note(&format!("{} stays behind: {error}", dir.display()));
        }
    }
}
