//! The servers of a season: NATS and Postgres as children of this process, in a home that goes with it; and what a campaign
//! does to them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use jifen_e2e::system::{SERVICES, free_ports};
use jifen_infra::{
    Home, HomeLock, Keys, NatsServer, Postgres, nats, nats_server::NatsOptions, postgres::PostgresOptions, quiet, rights, streams,
};
use jifen_kernel::StoreCode;
use jifen_testkit::Programs;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::rngs::StdRng;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::{forget, plan::faults::Amnesia, proxy::Proxy};

/// Dead processes' messages come again after this time: soon, so that a round need not wait.
const ACK_WAIT_S: u32 = 2;

/// What the broker has forgotten is noticed after this time.
pub const GUARD_EVERY_S: u32 = 2;

/// What forced aborts are made of: triggers that look at one row, which a campaign writes.
const ABORTS: &str = "
    create schema faults;
    create table faults.knob (sqlstate text not null, percent int not null, at_commit boolean not null);
    insert into faults.knob values ('40001', 0, false);
    create function faults.abort() returns trigger language plpgsql security definer as $$
    declare k faults.knob;
    begin
        select * into k from faults.knob;
        if k.percent > 0 and k.at_commit = (tg_argv[0] = 'commit') and random() * 100 < k.percent then
            raise exception using errcode = k.sqlstate, message = 'forced by a campaign of faults';
        end if;
        return null;
    end $$;";
/// One table a service that every transaction of it writes to.
const ABORTED: [&str; 6] =
    ["ingest.document", "member.member", "points.accrual", "campaign.assessment", "tier.contribution", "notification.send"];

/// The servers, running.
pub struct Site {
    // In this order they end.
    nats: Option<NatsServer>,
    postgres: Option<Postgres>,
    /// What the services' connections to Postgres go through.
    pub proxy: Proxy,
    /// The installation's keys.
    pub keys: Keys,
    admin_url: String,
    home: Home,
    _lock: HomeLock,
    stores: Vec<StoreCode>,
    programs: Programs,
    ports: [u16; 3],
    settings: Vec<(&'static str, String)>,
    /// How far the services' clock is ahead.
    ahead: TimeDelta,
    dir: TempDir,
}

impl Site {
    /// Starts both, with every table and stream, but no service.
    pub async fn start(stores: &[String]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("jifen-faults-").tempdir()?;
        // The servers' user must get in.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let programs = tokio::task::block_in_place(jifen_testkit::programs)?;
        let home = Home::locate(&dir.path().join("home"))?;
        let lock = home.lock()?;
        let ports = free_ports();
        let postgres = launch_postgres(&home, &programs, ports[0])?;
        let admin_url = postgres.admin_url();
        let proxy = Proxy::start(ports[0]).await?;
        run_to_end(command(&home, &[("JIFEN_DATABASE_URL", admin_url.clone())]).arg("migrate"))?;
        let keys = Keys::load(&home)?;
        let stores = stores.iter().map(|code| StoreCode::try_new(code.as_str())).collect::<Result<_, _>>()?;
        let mut site = Self {
            nats: None,
            postgres: Some(postgres),
            proxy,
            keys,
            admin_url,
            home,
            _lock: lock,
            stores,
            programs,
            ports,
            settings: Vec::new(),
            ahead: TimeDelta::zero(),
            dir,
        };
        site.travel(0)?;
        site.start_nats()?;
        site.ensure_streams().await?;
        let mut database = site.database().await?;
        sqlx::raw_sql(ABORTS).execute(&mut database).await?;
        for table in ABORTED {
            let triggers = format!(
                "create trigger faults_now after insert on {table} for each statement execute function faults.abort('now');
                 create constraint trigger faults_commit after insert on {table} deferrable initially deferred
                 for each row execute function faults.abort('commit');"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(triggers)).execute(&mut database).await?;
        }
        Ok(site)
    }

    /// Where everything of it lies.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves everything where it lies, for whoever wants to look.
    pub fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// What the services take for now.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the services' clock goes on from the machine's")]
        let now = Utc::now();
        now + self.ahead
    }

    /// The services' clock goes on by so many days, also while they run.
    pub fn travel(&mut self, days: u64) -> Result<()> {
        self.ahead += TimeDelta::days(i64::try_from(days)?);
        // Written beside and renamed: a reader sees the old instant or the new one.
        let new = self.dir.path().join("clock.new");
        fs::write(&new, self.now().to_rfc3339())?;
        Ok(fs::rename(&new, self.clock_file())?)
    }

    /// The services' clock is ahead by so many days at least.
    pub fn be_ahead(&mut self, days: u64) -> Result<()> {
        let missing = i64::try_from(days)? - self.ahead.num_days();
        self.travel(u64::try_from(missing).unwrap_or(0))
    }

    fn clock_file(&self) -> PathBuf {
        self.dir.path().join("clock")
    }

    /// Where the broker is.
    pub fn nats_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports[1])
    }

    /// A connection of the user who may do everything.
    pub async fn provisioner(&self) -> Result<async_nats::Client> {
        let options = nats::options(&rights::credentials(&self.keys, rights::PROVISIONER));
        Ok(options.request_timeout(Some(Duration::from_secs(3))).retry_on_initial_connect().connect(self.nats_url()).await?)
    }

    /// A connection of the database's administrator, past the proxy.
    pub async fn database(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.admin_url).await?)
    }

    /// `jifen` in this installation, as a service's process has it: Postgres through the proxy.
    pub fn service_command(&self, batch_messages: usize, atomic: bool) -> Command {
        let variables = [
            ("JIFEN_DATABASE_URL", format!("postgres://127.0.0.1:{}/jifen", self.proxy.port())),
            ("JIFEN_NATS_URL", self.nats_url()),
            ("JIFEN_ACK_WAIT_S", ACK_WAIT_S.to_string()),
            ("JIFEN_GUARD_EVERY_S", GUARD_EVERY_S.to_string()),
            ("JIFEN_TEST_CLOCK", self.clock_file().display().to_string()),
            ("JIFEN_BATCH_MESSAGES", batch_messages.to_string()),
            // The broker of a round is started without it: what remains of the setting is how is published.
            ("JIFEN_NATS_SYNC_ALWAYS", atomic.to_string()),
        ];
        let mut command = command(&self.home, &variables);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A setting for processes that are started from now on.
    pub fn set(&mut self, name: &'static str, value: impl ToString) {
        self.settings.push((name, value.to_string()));
    }

    /// The process of the broker.
    pub fn broker_pid(&self) -> Option<u32> {
        self.nats.as_ref().map(NatsServer::pid)
    }

    /// Gives a stream another limit. The keeper's other half would make it larger again: it does not run here.
    pub async fn limit_stream(&self, name: &str, max_bytes: i64) -> Result<()> {
        let js = async_nats::jetstream::new(self.provisioner().await?);
        let mut config = js.get_stream(name).await?.cached_info().config.clone();
        config.max_bytes = max_bytes;
        js.update_stream(config).await?;
        Ok(())
    }

    /// Applies a program as the operator does, and returns when every service knows it.
    pub fn apply_program(&self, files: &BTreeMap<&str, String>, effective_from: &str) -> Result<()> {
        let folder = self.dir.path().join("program");
        fs::create_dir_all(&folder)?;
        for (name, text) in files {
            fs::write(folder.join(name), text)?;
        }
        let mut command = command(&self.home, &[("JIFEN_NATS_URL", self.nats_url())]);
        command.args(["program", "apply", "--effective-from", effective_from]).arg(folder);
        run_to_end(&mut command)
    }

    fn start_nats(&mut self) -> Result<()> {
        let [_, port, monitor_port] = self.ports;
        let options = NatsOptions { port, monitor_port, ..NatsOptions::new(self.programs.nats_server.clone()) };
        let started = tokio::task::block_in_place(|| NatsServer::start(&self.home, &self.keys, options, &self.stores, &quiet));
        self.nats = Some(started?);
        Ok(())
    }

    /// `kill -9` of the broker; it is started again.
    pub fn kill_broker(&mut self) -> Result<()> {
        send(self.nats.as_ref().map(NatsServer::pid), Signal::SIGKILL)?;
        let dead = self.nats.take();
        tokio::task::block_in_place(|| drop(dead));
        self.start_nats()
    }

    /// The broker hangs for a while.
    pub async fn stop_broker(&self, time: Duration) -> Result<()> {
        let pid = self.nats.as_ref().map(NatsServer::pid);
        send(pid, Signal::SIGSTOP)?;
        tokio::time::sleep(time).await;
        send(pid, Signal::SIGCONT)
    }

    /// Postgres stops at once, without a checkpoint, and is started again.
    pub fn restart_database(&mut self) -> Result<()> {
        send(self.postgres.as_ref().map(Postgres::pid), Signal::SIGQUIT)?;
        let dead = self.postgres.take();
        tokio::task::block_in_place(|| drop(dead));
        self.postgres = Some(launch_postgres(&self.home, &self.programs, self.ports[0])?);
        Ok(())
    }

    /// Makes the streams that are missing, as the operator does who finds them gone.
    async fn ensure_streams(&self) -> Result<()> {
        Ok(streams::ensure_streams(&self.provisioner().await?, 1).await?)
    }

    /// A copy of all streams, taken while the broker holds its breath.
    pub fn copy_store(&self) -> Result<()> {
        let pid = self.nats.as_ref().map(NatsServer::pid);
        send(pid, Signal::SIGSTOP)?;
        let copied = forget::copy(&self.store(), &self.folder().join("store-copy"));
        send(pid, Signal::SIGCONT)?;
        copied
    }

    fn store(&self) -> PathBuf {
        self.home.nats_dir().join("store")
    }

    /// The broker forgets.
    pub async fn forget(&mut self, amnesia: Amnesia, rng: &mut StdRng) -> Result<()> {
        if let Amnesia::Recreated(stream) = amnesia {
            async_nats::jetstream::new(self.provisioner().await?).delete_stream(stream).await?;
        } else {
            send(self.nats.as_ref().map(NatsServer::pid), Signal::SIGKILL)?;
            let dead = self.nats.take();
            tokio::task::block_in_place(|| drop(dead));
            forget::spoil(&self.store(), &self.folder().join("store-copy"), amnesia, rng)?;
            self.start_nats()?;
        }
        self.ensure_streams().await
    }

    /// From now on so many of a hundred transactions fail so; 0: none.
    pub async fn abort_transactions(&self, sqlstate: &str, percent: u32, at_commit: bool) -> Result<()> {
        let update = sqlx::query("update faults.knob set sqlstate = $1, percent = $2, at_commit = $3");
        update.bind(sqlstate).bind(i32::try_from(percent)?).bind(at_commit).execute(&mut self.database().await?).await?;
        Ok(())
    }
}

fn launch_postgres(home: &Home, programs: &Programs, port: u16) -> Result<Postgres> {
    let options = PostgresOptions { port, ..PostgresOptions::new(programs.postgres_bin.clone()) };
    Ok(tokio::task::block_in_place(|| Postgres::start(home, &options, &quiet))?)
}

/// A signal to a server.
fn send(pid: Option<u32>, signal: Signal) -> Result<()> {
    let pid = pid.context("the server runs")?;
    Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
}

/// The executable `jifen`, as the build left it beside this one.
fn executable() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let mut folder = own.parent().context("the executable lies somewhere")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("tests lie in target/<profile>/deps")?;
    }
    let path = folder.join("jifen");
    ensure!(path.exists(), "{} is missing: build it with `cargo build -p jifen`", path.display());
    Ok(path)
}

fn command(home: &Home, variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(executable().unwrap_or_else(|error| panic!("{error}")));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("JIFEN_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).env("JIFEN_HOME", home.path()).envs(variables.iter().map(|(name, value)| (name, value)));
    command
}

fn run_to_end(command: &mut Command) -> Result<()> {
    let done = tokio::task::block_in_place(|| command.output())?;
    ensure!(done.status.success(), "{command:?}: {}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// The services of a process: those named, or all.
pub fn services_of(named: &[&'static str]) -> Vec<&'static str> {
    if named.is_empty() { SERVICES.into() } else { named.into() }
}
