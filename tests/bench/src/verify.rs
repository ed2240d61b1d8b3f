//! What `jifen verify` costs: a ledger of a million entries that the points service has written and sealed itself.

use std::{fmt, time::Duration};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;

use crate::{
    invoices::{self, Invoices, id_sql},
    process,
    program::Program,
    report, stages,
};

/// Two entries an invoice, and a first spending a member.
const INVOICES: usize = 500_000;
/// The stream has room for so many at once.
const PART: usize = 100_000;
const MEMBERS: usize = 50_000;
/// A look of the sealer is due each minute.
const SEALED_WITHIN: Duration = Duration::from_mins(5);
const LOOK: Duration = Duration::from_millis(500);

/// What a check of everything cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verified {
    /// Entries.
    pub entries: i64,
    /// Members.
    pub members: i64,
    /// Seals.
    pub seals: i64,
    /// From the command to its answer.
    pub seconds: f64,
    /// CPU for each entry: the verb's own, and Postgres's.
    pub cpu_us: [f64; 2],
    /// The most memory of the verb, in MiB.
    pub peak_mib: f64,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, members, seals, seconds, cpu_us: [own, postgres], peak_mib } = self;
        write!(
            f,
            "`jifen verify` of {entries} entries of {members} members under {seals} seals: {seconds:.1} s, CPU {own:.1} µs an entry and Postgres \
             {postgres:.1}, {peak_mib:.0} MiB"
        )
    }
}

/// Measures it.
pub async fn measure() -> Result<Verified> {
    // Nobody has anything yet: all that is there was posted.
    let members = format!(
        "insert into points.account (member_id, member_no) select {}, 'M' || lpad(n::text, 9, '0') from generate_series(0, {MEMBERS} - 1) n",
        id_sql("n")
    );
    let (servers, mut program) = stages::points_of(&members, &[]).await?;
    let (input, js) = (Invoices::new(MEMBERS), servers.provisioner().await?.1);
    for part in 0..INVOICES / PART {
        let mut stage = stages::stage_of_points(&servers, &mut program, js.clone());
        let publish = invoices::publish(&js, part * PART..(part + 1) * PART, |number| input.event("V", number));
        stage.measure(PART, publish).await?;
        js.get_stream("EVENTS").await?.purge().filter("evt.ingest.invoice_accepted.>").await?;
        report::note(&format!("{} entries …", (part + 1) * PART * 2));
    }
    let mut admin = servers.admin().await?;
    let since = Instant::now();
    let unsealed = "points.account a where a.sequence > 0 and not exists
                        (select from points.sealed_head h where h.member_id = a.member_id and h.sequence = a.sequence)";
    while count(&mut admin, unsealed).await? > 0 {
        if since.elapsed() > SEALED_WITHIN {
            bail!("not sealed within {} s", SEALED_WITHIN.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
    program.stop()?;
    let postgres = servers.postgres_pid();
    let cpu = || anyhow::Ok([process::reaped(std::process::id())?, process::with_children(postgres)?]);
    let (before, since) = (cpu()?, Instant::now());
    let peak = tokio::task::block_in_place(|| Program::run_verb(&servers, &["verify"]))?;
    let (seconds, after) = (since.elapsed().as_secs_f64(), cpu()?);
    let (entries, members) = (count(&mut admin, "points.entry").await?, count(&mut admin, "points.account").await?);
    let each = |place: usize| after[place].saturating_sub(before[place]).as_secs_f64() * 1e6 / entries as f64;
    let seals = count(&mut admin, "points.seal").await?;
    Ok(Verified { entries, members, seals, seconds, cpu_us: [each(0), each(1)], peak_mib: peak as f64 })
}

async fn count(admin: &mut PgConnection, of: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {of}"))).fetch_one(admin).await?)
}
