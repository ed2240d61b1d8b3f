//! What much data costs: the floor and points alone on 10,000 members without an entry, and on 1,000,000 members with
//! 10 million entries, as two invoices a member of five entries each would have left them.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    invoices::{STRIDE, id_sql},
    report,
    servers::Servers,
    stage::Figures,
    stages::{self, Size},
};

const FEW: usize = 10_000;
const MANY: usize = 1_000_000;
/// Invoices before those that count. Whoever touches a page first after a checkpoint logs it whole, and much data has many
/// pages: fewer would measure the checkpoint before, more would bring the next one.
const WARM_UP: usize = 100_000;
/// Nobody misses this data after a crash, and nobody measures while it is made.
const LOADING: &str = "fsync = off\nfull_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\nautovacuum = off
maintenance_work_mem = 512MB\nmax_wal_size = 1GB\n";

/// A stage on little and on much data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Growth {
    /// Which.
    pub stage: String,
    /// Little, then much.
    pub figures: [Figures; 2],
}

impl Growth {
    /// How much dearer an invoice becomes.
    pub fn factor(&self) -> f64 {
        self.figures[1].cpu_us.total() / self.figures[0].cpu_us.total()
    }
}

/// A table with how it is filled.
pub struct Past {
    /// With its schema.
    table: &'static str,
    /// Its columns.
    columns: &'static str,
    /// Their values for document `d` of member `m` with entry `k` of 5.
    values: String,
    /// What has a row: each `m`, each `d` with its `m`, or each `k` of these.
    each: String,
}

/// Measures both on both.
pub async fn measure(size: Size) -> Result<Vec<Growth>> {
    let (few, many) = (Size { members: FEW, ..size }, Size { members: MANY, warm_up: WARM_UP, ..size });
    let floor = [stages::floor(few, &[]).await?, stages::floor(many, &past_of_floor(MANY)).await?];
    let points = [stages::points(few, &[]).await?, stages::points(many, &past_of_points(MANY)).await?];
    Ok([floor, points]
        .into_iter()
        .map(|figures| {
            println!("growth");
            figures.iter().for_each(report::print);
            Growth { stage: figures[0].stage.clone(), figures }
        })
        .collect())
}

/// Fills tables as fast as it goes: without durability, and with the indexes made afterwards.
pub async fn load(servers: &mut Servers, past: &[Past]) -> Result<()> {
    if past.is_empty() {
        return Ok(());
    }
    servers.restart_postgres(LOADING)?;
    let mut admin = servers.admin().await?;
    for part in past {
        report::note(&format!("filling {} …", part.table));
        fill(&mut admin, part).await?;
    }
    admin.close().await?;
    servers.restart_postgres("")?;
    // What the loading left to be written would be written while others are measured.
    tokio::task::block_in_place(|| std::process::Command::new("sync").status())?;
    Ok(())
}

async fn fill(admin: &mut PgConnection, part: &Past) -> Result<()> {
    let table = part.table;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "select format('alter table %s drop constraint %I', conrelid::regclass, conname),
                format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
         from pg_constraint where conrelid = $1::regclass and contype in ('p', 'u')
         union all
         select format('drop index %s', indexrelid::regclass), pg_get_indexdef(indexrelid) from pg_index
         where indrelid = $1::text::regclass and not exists (select from pg_constraint where conindid = indexrelid)",
    )
    .bind(table)
    .fetch_all(&mut *admin)
    .await?;
    let insert = format!("insert into {table} ({}) select {} from {}", part.columns, part.values, part.each);
    let (drop, make): (Vec<String>, Vec<String>) = indexes.into_iter().unzip();
    let analyze = format!("vacuum (analyze, freeze) {table}");
    for statement in [format!("truncate {table}")].into_iter().chain(drop).chain([insert]).chain(make).chain([analyze]) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *admin).await?;
    }
    Ok(())
}

/// Each of so many members, each of their documents, two a member, and each of the entries, five a document.
fn each_of(members: usize) -> [String; 3] {
    let documents = 2 * members;
    let documents = format!("(select d, (d::bigint * {STRIDE} % {members})::int m from generate_series(0, {documents} - 1) d) documents");
    let entries = format!("{documents}, generate_series(1, 5) k");
    [format!("generate_series(0, {members} - 1) m"), documents, entries]
}

const STORE: &str = "'SH0' || d % 3 + 1";
const NUMBER: &str = "'H' || lpad(d::text, 7, '0')";
const CATEGORY: &str = "(array['maintenance', 'parts', 'repair', 'accessories', 'insurance'])[k]";
const AT: &str = "timestamptz '2026-01-01' + d * interval '10 s'";

fn past_of_floor(members: usize) -> Vec<Past> {
    let [each_member, each_document, each_entry] = each_of(members);
    let (member, document, entry) = (id_sql("m"), id_sql("d"), id_sql("(d * 5 + k)"));
    vec![
        Past { table: "floor.account", columns: "member_id, active", values: format!("{member}, 1000"), each: each_member },
        Past {
            table: "floor.lot",
            columns: "store, document, member_id, lot_id, points, remaining, posted_at",
            values: format!("{STORE}, {NUMBER}, {member}, {document}, 500, 500, {AT}"),
            each: each_document,
        },
        Past {
            table: "floor.entry",
            columns: "member_id, entry_id, lot_id, category, points, posted_at",
            values: format!("{member}, {entry}, {document}, {CATEGORY}, 100, {AT}"),
            each: each_entry,
        },
    ]
}

fn past_of_points(members: usize) -> Vec<Past> {
    let [each_member, each_document, each_entry] = each_of(members);
    let (member, document, entry) = (id_sql("m"), id_sql("d"), id_sql("(d * 5 + k)"));
    let card = "'M' || lpad(m::text, 9, '0')";
    vec![
        Past {
            table: "points.account",
            columns: "member_id, member_no, active, lifetime, first_spending_ordinal, first_spending_stands, sequence, head",
            values: format!("{member}, {card}, 1000, 1000, 1, true, 10, sha256(int4send(m))"),
            each: each_member,
        },
        Past {
            table: "points.accrual",
            columns: "store, document, member_id, member_no, issued_at, business_date, received_at, program_version, visit, paid_visit,
                      categories, expires_on, posted_at, settled_at",
            values: format!(
                "{STORE}, {NUMBER}, {member}, {card}, {AT}, ({AT})::date, {AT}, 1, true, true,
                 '[{{\"category\":\"maintenance\",\"paid\":\"100.00\",\"base\":100}},{{\"category\":\"parts\",\"paid\":\"100.00\",\"base\":100}}]',
                 '2028-12-31', {AT}, {AT}"
            ),
            each: each_document.clone(),
        },
        Past {
            table: "points.lot",
            columns: "member_id, lot_id, store, document, points, remaining, expires_on, created_at",
            values: format!("{member}, {document}, {STORE}, {NUMBER}, 500, 500, '2028-12-31', {AT}"),
            each: each_document,
        },
        Past {
            table: "points.entry",
            columns: "member_id, sequence, entry_id, debit, credit, points, kind, store, document, category, rule, ordinal, qualifying,
                      pending, lot_id, expires_on, paid_fen, rate, posted_at, hash",
            values: format!(
                "{member}, d / {members} * 5 + k, {entry}, 'issued:' || {STORE}, 'active', 100, 'accrual', {STORE}, {NUMBER}, {CATEGORY},
                 'earn@1', 0, true, false, {document}, '2028-12-31', 10000, '1', {AT}, sha256(int4send(d * 5 + k))"
            ),
            each: each_entry,
        },
    ]
}

#[cfg(test)]
mod tests {
    use jifen_testkit::{Schema, TestEnv};

    use super::*;
    use crate::{floor, stages};

    const MEMBERS: usize = 10;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_past_fits_the_tables() {
        let env = TestEnv::start(&[Schema { service: "points", migrator: &jifen_points::MIGRATIONS }]).await;
        let mut admin = PgConnection::connect(env.admin_url()).await.expect("the database");
        let tables = format!("create schema floor; set search_path = floor; {}; reset search_path", floor::TABLES);
        sqlx::raw_sql(AssertSqlSafe(tables)).execute(&mut admin).await.expect("the floor's tables");
        for sql in stages::members_of_points(MEMBERS).split(';') {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut admin).await.expect("members without an entry");
        }
        for part in past_of_floor(MEMBERS).iter().chain(&past_of_points(MEMBERS)) {
            let before = indexes(&mut admin, part.table).await;
            fill(&mut admin, part).await.unwrap_or_else(|error| panic!("{}: {error}", part.table));
            assert_eq!(indexes(&mut admin, part.table).await, before, "{}", part.table);
            let count = format!("select count(*) from {}", part.table);
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut admin).await.expect("rows");
            let expected = match part.table.split('.').next_back() {
                Some("account") => MEMBERS,
                Some("entry") => 10 * MEMBERS,
                _ => 2 * MEMBERS,
            };
            assert_eq!(usize::try_from(count).expect("a count"), expected, "{}", part.table);
        }
    }

    async fn indexes(admin: &mut PgConnection, table: &str) -> Vec<String> {
        let sql = "select pg_get_indexdef(indexrelid) from pg_index where indrelid = $1::text::regclass order by 1";
        let indexes: Vec<String> = sqlx::query_scalar(sql).bind(table).fetch_all(admin).await.expect("indexes");
        assert!(!indexes.is_empty(), "{table}");
        indexes
    }
}
