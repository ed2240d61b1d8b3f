//! Measuring one stage: consumers paused, invoices published, counters read, consumers let go, and counters read again
//! when everything is through.
//!
//! So every stage works on full batches, and publishing the input costs nobody anything.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::{
    Context,
    consumer::{Info, PullConsumer},
};
use chrono::TimeDelta;
use jifen_kernel::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::Instant;

use crate::{
    process::{Cpu, Processes},
    program::{Batches, Program},
    servers::Servers,
};

/// How often progress is looked at while a stage runs.
const LOOK: Duration = Duration::from_millis(50);
/// How often the first delivery is looked for.
const LOOK_FOR_FIRST: Duration = Duration::from_millis(5);
/// No progress for so long means that something is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// Three numbers, by process.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Split {
    /// The program under test.
    pub program: f64,
    /// Postgres.
    pub postgres: f64,
    /// NATS.
    pub nats: f64,
}

impl Split {
    /// All three.
    pub fn total(&self) -> f64 {
        self.program + self.postgres + self.nats
    }
}

/// What a stage gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    /// Which stage.
    pub stage: String,
    /// How many invoices.
    pub invoices: usize,
    /// From the first delivery to the last output.
    pub seconds: f64,
    /// Of CPU an invoice.
    pub cpu_us: Split,
    /// Transactions, and messages in each.
    pub batches: f64,
    /// See there.
    pub messages_a_batch: f64,
    /// Statements without BEGIN and COMMIT; none where this Postgres does not count them.
    pub statements_a_batch: Option<f64>,
    /// See there.
    pub statements_an_invoice: Option<f64>,
    /// Of write-ahead log an invoice.
    pub wal_bytes: f64,
    /// Rows that an invoice adds, by table.
    pub rows: BTreeMap<String, f64>,
    /// The most memory that each process had, in MiB; Postgres's largest, shared cache included.
    pub peak_mib: Split,
    /// The statements that took longest together: for whoever wants to know what to change, not kept.
    #[serde(skip)]
    pub slowest: Vec<Slow>,
}

/// A statement of a stage.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Slow {
    /// How often it ran.
    pub calls: i64,
    /// In Postgres, all calls together, in milliseconds.
    pub total_ms: f64,
    /// Whose it is.
    pub role: String,
    /// Its beginning.
    pub query: String,
}

impl Figures {
    /// Throughput.
    pub fn per_second(&self) -> f64 {
        self.invoices as f64 / self.seconds
    }

    /// What the machine's cores would do with nothing else to do and nothing to wait for.
    pub fn per_second_by_cpu(&self) -> f64 {
        crate::machine::cores() as f64 * 1e6 / self.cpu_us.total()
    }
}

/// When a stage is through.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// Every consumer of EVENTS has acknowledged everything.
    Acknowledged,
    /// So many messages of NOTIFY came, one an invoice, and then every consumer has acknowledged everything.
    Notified,
}

/// A stage: servers, the process under test, and what it reads from.
pub struct Stage<'a> {
    /// Its name in the table.
    pub name: &'static str,
    /// Its servers.
    pub servers: &'a Servers,
    /// The process under test.
    pub program: &'a mut Program,
    /// The administrator of the broker.
    pub js: Context,
    /// The first consumer on the invoices' way, by stream and name.
    pub entrance: (&'static str, &'static str),
    /// When it is through.
    pub until: Until,
    /// Where a worker counts its commits, if it has such a table.
    pub commits: Option<&'static str>,
}

struct Counters {
    rows: BTreeMap<String, i64>,
    batches: Batches,
    wal: i64,
    notified: u64,
    cpu: Cpu,
    at: Instant,
}

impl Stage<'_> {
    /// Publishes with the entrance closed, opens it, and measures until the end.
    pub async fn measure<F: Future<Output = Result<()>>>(&mut self, invoices: usize, publish: F) -> Result<Figures> {
        let stream = self.js.get_stream(self.entrance.0).await?;
        self.wait_for_consumer().await?;
        let far = SystemClock.now() + TimeDelta::hours(1);
        stream.pause_consumer(self.entrance.1, far).await?;
        publish.await?;
        let mut before = self.count_before().await?;
        stream.resume_consumer(self.entrance.1).await?;
        (before.at, before.cpu) = self.first_delivery().await?;
        let last = self.wait(&before, invoices).await?;
        let figures = self.figures(&before, last, invoices).await?;
        Ok(figures)
    }

    /// When the entrance handed out its first message, and the CPU until then. A consumer that was paused takes seconds to go on;
    /// neither they nor our looking are the program's work.
    async fn first_delivery(&self) -> Result<(Instant, Cpu)> {
        let (stream, consumer) = self.entrance;
        let mut idle = (Instant::now(), self.processes().cpu()?);
        let deadline = idle.0 + PATIENCE;
        loop {
            let look = (Instant::now(), self.processes().cpu()?);
            let info = self.consumer(stream, consumer).await?;
            if info.num_ack_pending > 0 || info.num_pending == 0 {
                return Ok(idle);
            }
            idle = look;
            if idle.0 > deadline {
                bail!("{}: the consumer {consumer} does not go on", self.name);
            }
            tokio::time::sleep(LOOK_FOR_FIRST).await;
        }
    }

    /// Publishes while everything runs, and measures from the first publish to the end.
    pub async fn measure_live<F: Future<Output = Result<()>>>(&mut self, invoices: usize, publish: F) -> Result<Figures> {
        let before = self.count_before().await?;
        let (last, ()) = tokio::try_join!(self.wait(&before, invoices), publish)?;
        self.figures(&before, last, invoices).await
    }

    fn processes(&self) -> Processes {
        self.program.processes(self.servers)
    }

    /// The process makes its consumer when it is up.
    async fn wait_for_consumer(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let stream = self.js.get_stream(self.entrance.0).await?;
        loop {
            let found: Result<PullConsumer, _> = stream.get_consumer(self.entrance.1).await;
            if found.is_ok_and(|consumer| consumer.cached_info().num_waiting > 0) {
                return Ok(());
            }
            self.program.check()?;
            if Instant::now() > deadline {
                bail!("{}: the consumer {} did not come", self.name, self.entrance.1);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// CPU comes last: reading the others costs some.
    async fn count_before(&self) -> Result<Counters> {
        let mut admin = self.servers.admin().await?;
        if self.servers.counts_statements {
            sqlx::query("select pg_stat_statements_reset()").execute(&mut admin).await?;
        }
        let rows = self.rows().await?;
        let batches = self.program.batches().await?;
        let notified = self.js.get_stream("NOTIFY").await?.cached_info().state.messages;
        let wal = wal(&mut admin).await?;
        admin.close().await?;
        // The counting connections' processes have ended before the CPU is read.
        tokio::time::sleep(LOOK).await;
        Ok(Counters { rows, batches, wal, notified, cpu: self.processes().cpu()?, at: Instant::now() })
    }

    async fn wait(&self, before: &Counters, invoices: usize) -> Result<Instant> {
        let mut progress = (Instant::now(), 0);
        let mut last = None;
        loop {
            let now = Instant::now();
            let notified = match self.until {
                Until::Acknowledged => invoices as u64,
                Until::Notified => self.js.get_stream("NOTIFY").await?.cached_info().state.messages - before.notified,
            };
            if notified >= invoices as u64 {
                last.get_or_insert(now);
            }
            let (stream, consumer) = self.entrance;
            let pending = match (self.until, last) {
                (Until::Acknowledged, _) => pending(&self.consumer(stream, consumer).await?),
                (Until::Notified, None) => u64::MAX - notified,
                (Until::Notified, Some(_)) => self.pending_everywhere().await?,
            };
            match last {
                Some(last) if pending == 0 => {
                    if matches!(self.until, Until::Notified) && notified != invoices as u64 {
                        bail!("{}: {notified} messages for {invoices} invoices", self.name);
                    }
                    return Ok(if matches!(self.until, Until::Notified) { last } else { now });
                }
                _ if pending != progress.1 => progress = (now, pending),
                _ if progress.0.elapsed() > PATIENCE => bail!("{}: no progress any more, {pending} messages are left", self.name),
                _ => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn consumer(&self, stream: &str, consumer: &str) -> Result<Info> {
        let consumer: PullConsumer = self.js.get_stream(stream).await?.get_consumer(consumer).await.map_err(|e| anyhow::anyhow!(e))?;
        Ok(consumer.cached_info().clone())
    }

    async fn pending_everywhere(&self) -> Result<u64> {
        use futures_util::TryStreamExt;
        let mut sum = 0;
        for stream in ["POS", "EVENTS"] {
            let stream = self.js.get_stream(stream).await?;
            let consumers: Vec<Info> = stream.consumers().try_collect().await?;
            sum += consumers.iter().map(pending).sum::<u64>();
        }
        Ok(sum)
    }

    async fn figures(&self, before: &Counters, last: Instant, invoices: usize) -> Result<Figures> {
        let spent = self.processes().cpu()?.since(&before.cpu);
        let [program, postgres, nats] = self.processes().peak_mib()?.map(|mib| mib as f64);
        let mut admin = self.servers.admin().await?;
        let wal = wal(&mut admin).await? - before.wal;
        let mut slowest = Vec::new();
        let statements = if self.servers.counts_statements {
            slowest = sqlx::query_as(
                r"select calls, total_exec_time as total_ms, userid::regrole::text as role,
                        left(regexp_replace(query, '\s+', ' ', 'g'), 110) as query
                 from pg_stat_statements where userid <> current_user::regrole order by total_exec_time desc limit 20",
            )
            .fetch_all(&mut admin)
            .await?;
            let calls: i64 = sqlx::query_scalar(
                "select coalesce(sum(calls), 0)::bigint from pg_stat_statements where userid <> current_user::regrole
                 and query !~* '^(begin|commit|rollback)'",
            )
            .fetch_one(&mut admin)
            .await?;
            Some(calls as f64)
        } else {
            None
        };
        admin.close().await?;
        let count = invoices as f64;
        let rows_after = self.rows().await?;
        let added = |table: &str| rows_after.get(table).copied().unwrap_or(0) - before.rows.get(table).copied().unwrap_or(0);
        let (batches, messages) = if let Some(table) = self.commits {
            (added(table) as f64, count)
        } else {
            let now = self.program.batches().await?;
            (now.count - before.batches.count, now.messages - before.batches.messages)
        };
        // A worker without such a table commits every message.
        let (batches, messages) = if batches == 0.0 { (count, count) } else { (batches, messages) };
        let rows = rows_after.keys().map(|table| (table.clone(), added(table) as f64 / count)).filter(|(_, rows)| *rows > 0.0).collect();
        Ok(Figures {
            stage: self.name.to_owned(),
            invoices,
            seconds: (last - before.at).as_secs_f64(),
            cpu_us: spent.micros_each(invoices),
            batches,
            messages_a_batch: messages / batches,
            statements_a_batch: statements.map(|calls| calls / batches),
            statements_an_invoice: statements.map(|calls| calls / count),
            wal_bytes: wal as f64 / count,
            rows,
            peak_mib: Split { program, postgres, nats },
            slowest,
        })
    }

    /// Rows of every table of every service; a partitioned one as a whole.
    async fn rows(&self) -> Result<BTreeMap<String, i64>> {
        let mut admin = self.servers.admin().await?;
        let tables: Vec<(String, String)> = sqlx::query_as(
            "select nspname, relname from pg_class c join pg_namespace n on n.oid = relnamespace
             where relkind in ('r', 'p') and not relispartition and nspname !~ '^pg_|^information_schema$|^jifen$|^public$'
               and relname !~ '^_'",
        )
        .fetch_all(&mut admin)
        .await?;
        let mut rows = BTreeMap::new();
        for (schema, table) in tables {
            let query = format!("select count(*) from \"{schema}\".\"{table}\"");
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut admin).await.context("counting rows")?;
            rows.insert(format!("{schema}.{table}"), count);
        }
        admin.close().await?;
        Ok(rows)
    }
}

fn pending(info: &Info) -> u64 {
    info.num_pending + info.num_ack_pending as u64
}

async fn wal(admin: &mut sqlx::PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetch_one(admin).await?)
}
