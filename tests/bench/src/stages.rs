//! The stages: which servers, which process, which input.

use anyhow::Result;
use async_nats::jetstream::Context;

use crate::{
    growth::{self, Past},
    invoices::{self, Invoices, id_sql},
    load::{Load, Member},
    program::Program,
    servers::{Servers, Sync},
    stage::{Figures, Stage, Until},
    worker,
};

/// How much a stage does.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Members.
    pub members: usize,
    /// Invoices to warm up with, in the same form as those that count.
    pub warm_up: usize,
    /// Invoices that count.
    pub invoices: usize,
}

/// The barest correct pipeline, with this past.
pub async fn floor(size: Size, past: &[Past]) -> Result<Figures> {
    with_worker("floor", crate::floor::TABLES, Some("floor.outbox_commit"), size, past).await
}

/// One message, one transaction.
pub async fn naive(size: Size) -> Result<Figures> {
    with_worker("naive", crate::naive::TABLES, None, size, &[]).await
}

async fn with_worker(name: &'static str, tables: &str, commits: Option<&'static str>, size: Size, past: &[Past]) -> Result<Figures> {
    let mut servers = Servers::start(name, Sync::Default).await?;
    let url = servers.own_schema(name, tables).await?;
    let seeded = format!(
        "insert into {name}.account select {}, 0 from generate_series(0, {} - 1) n; vacuum analyze {name}.account",
        id_sql("n"),
        size.members
    );
    run_sql(&servers, &seeded).await?;
    growth::load(&mut servers, past).await?;
    let mut program = Program::worker(name, &servers, &url)?;
    let js = servers.provisioner().await?.1;
    let entrance = ("EVENTS", worker::DURABLE);
    let mut stage = Stage { name, servers: &servers, program: &mut program, js, entrance, until: Until::Acknowledged, commits };
    let figures = measure_events(&mut stage, size).await?;
    program.stop()?;
    Ok(figures)
}

/// The points service alone in a process, with this past.
pub async fn points(size: Size, past: &[Past]) -> Result<Figures> {
    let (servers, mut program) = points_of(&members_of_points(size.members), past).await?;
    let js = servers.provisioner().await?.1;
    let figures = measure_events(&mut stage_of_points(&servers, &mut program, js), size).await?;
    program.stop()?;
    Ok(figures)
}

/// Servers with the points service; `members` is what fills its accounts.
pub async fn points_of(members: &str, past: &[Past]) -> Result<(Servers, Program)> {
    let mut servers = Servers::start("points", Sync::Default).await?;
    Program::run_verb(&servers, &["migrate"])?;
    // Once with `program`, which tells the rules.
    Program::jifen(&servers, &["serve", "program", "points"]).await?.stop()?;
    run_sql(&servers, members).await?;
    growth::load(&mut servers, past).await?;
    let program = Program::jifen(&servers, &["serve", "points"]).await?;
    Ok((servers, program))
}

/// Invoices as ingest announces them are its input.
pub fn stage_of_points<'a>(servers: &'a Servers, program: &'a mut Program, js: Context) -> Stage<'a> {
    let entrance = ("EVENTS", "points_invoice_accepted");
    Stage { name: "points", servers, program, js, entrance, until: Until::Acknowledged, commits: None }
}

/// Fills the table of accounts: every member has bought before, so that an invoice is two entries.
pub fn members_of_points(members: usize) -> String {
    format!(
        "insert into points.account (member_id, member_no, first_spending_ordinal, first_spending_stands)
         select {}, 'M' || lpad(n::text, 9, '0'), 1, true from generate_series(0, {members} - 1) n; vacuum analyze points.account",
        id_sql("n"),
    )
}

/// The second time counts.
async fn measure_events(stage: &mut Stage<'_>, size: Size) -> Result<Figures> {
    let input = Invoices::new(size.members);
    let js = stage.js.clone();
    stage.measure(size.warm_up, invoices::publish(&js, 0..size.warm_up, |number| input.event("W", number))).await?;
    stage.measure(size.invoices, invoices::publish(&js, 0..size.invoices, |number| input.event("T", number))).await
}

/// The whole path, POS document to notification command; with the documents published beforehand, then while they are.
pub async fn path(size: Size) -> Result<[Figures; 2]> {
    let mut path = Path::start("path", size.members, Sync::Default).await?;
    // Each member's first invoice brings the first spending, which the others don't have.
    path.measure("path", "W", size.warm_up.max(size.members)).await?;
    let beforehand = path.measure("path", "T", size.invoices).await?;
    let live = path.measure_live("path, live", "L", size.invoices).await?;
    path.program.stop()?;
    Ok([beforehand, live])
}

/// The same with a broker that syncs every write before it acknowledges it.
pub async fn path_synced(size: Size) -> Result<Figures> {
    let mut path = Path::start("sync", size.members, Sync::Always).await?;
    path.measure("path, sync always", "W", size.warm_up.max(size.members)).await?;
    let figures = path.measure("path, sync always", "T", size.invoices).await?;
    path.program.stop()?;
    Ok(figures)
}

/// A whole system and who buys there.
struct Path {
    program: Program,
    load: Load,
    members: Vec<Member>,
    input: Invoices,
    js: Context,
    servers: Servers,
}

impl Path {
    async fn start(name: &str, members: usize, sync: Sync) -> Result<Self> {
        let servers = Servers::start(name, sync).await?;
        let program = Program::jifen(&servers, &["up"]).await?;
        let load = Load::connect(&servers.nats_url()).await?;
        let registered = load.register(members).await?;
        let js = servers.provisioner().await?.1;
        Ok(Self { program, load, members: registered, input: Invoices::new(members), js, servers })
    }

    /// The stage, and what publishes its input.
    fn stage(&mut self, name: &'static str, run: &str, count: usize) -> (Stage<'_>, impl Future<Output = Result<()>>) {
        let Self { program, load, members, input, js, servers } = self;
        let entrance = ("POS", "ingest_documents");
        let stage = Stage { name, servers, program, js: js.clone(), entrance, until: Until::Notified, commits: None };
        let make = move |number: usize| input.document(run, number, &members[input.member_of(number)].phone, number as u128 + 1);
        (stage, invoices::publish(&load.js, 0..count, make))
    }

    async fn measure(&mut self, name: &'static str, run: &str, count: usize) -> Result<Figures> {
        let (mut stage, publish) = self.stage(name, run, count);
        stage.measure(count, publish).await
    }

    async fn measure_live(&mut self, name: &'static str, run: &str, count: usize) -> Result<Figures> {
        let (mut stage, publish) = self.stage(name, run, count);
        stage.measure_live(count, publish).await
    }
}

async fn run_sql(servers: &Servers, sql: &str) -> Result<()> {
    use sqlx::{AssertSqlSafe, Connection};
    let mut admin = servers.admin().await?;
    for statement in sql.split(';') {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut admin).await?;
    }
    sqlx::raw_sql("checkpoint").execute(&mut admin).await?;
    Ok(admin.close().await?)
}
