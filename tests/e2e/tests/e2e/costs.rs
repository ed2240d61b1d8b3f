//! What an invoice writes on its whole way, from the document to the message: the same on every machine, fast or slow. Whoever
//! makes it write more hears of it here.

use std::{collections::BTreeMap, ops::RangeInclusive};

use chrono::{Days, NaiveDate};
use futures_util::{StreamExt, stream};
use jifen_e2e::{Client, PATIENCE, System, alone, system::SERVICES, today, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::documents::{phone, register};

/// Each has one invoice in a run: so no two of a batch share a row, and the counts don't depend on the batches.
const MEMBERS: usize = 400;
const STORES: [&str; 3] = ["SH01", "SH02", "SH03"];
/// Requests and documents under way at a time.
const UNDER_WAY: usize = 100;

/// Rows that an invoice inserts and updates, by table. Another number here must be meant: it is paid with every invoice.
const ROWS: [(&str, [i64; 2]); 13] = [
    ("campaign.assessment", [1, 0]),
    ("campaign.outbox", [1, 0]),
    ("ingest.document", [1, 0]),
    // The accepted invoice and the receipt.
    ("ingest.outbox", [2, 0]),
    ("notification.outbox", [1, 0]),
    ("notification.send", [1, 0]),
    // Posted, and settled with the campaigns' answer.
    ("points.account", [0, 2]),
    ("points.accrual", [1, 1]),
    // One for each category.
    ("points.entry", [2, 0]),
    ("points.lot", [1, 0]),
    // Earned and settled.
    ("points.outbox", [2, 0]),
    ("tier.contribution", [1, 0]),
    ("tier.standing", [0, 1]),
];

/// Write-ahead log of an invoice, without page images. Thirty runs gave 9,980 to 10,200, and what corrections, the daily end of lots and
/// the members in the entries' keys need came to some 370 more; sent one by one or a hundred at a time, on
/// an idle machine or on one with three times too much to do: other random ids split other index pages, and upkeep writes
/// nothing. A change that leaves the band must be meant, and moves it.
const WAL_BYTES: RangeInclusive<i64> = 10_050..=10_800;
/// Where that was measured. Others log the same rows a little differently.
const WAL_OF_MAJOR: i32 = 15;
const WAL_BYTES_ELSEWHERE: RangeInclusive<i64> = 8_000..=12_500;

/// Rows that an invoice reads, of all tables together but those of [`COUNTED`], with what upkeep reads meanwhile: 7 or 8, or some more
/// where batches are small. A statement that reads more than what it is about (a slot, a table) leaves this far behind.
const ROWS_READ: RangeInclusive<i64> = 5..=30;

/// Who asks whether all is settled has these counted, as a whole and as often as it asks.
const COUNTED: [&str; 3] = ["points.account", "points.accrual", "points.entry"];

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_writes_so_many_rows_and_bytes() {
    let _alone = alone().await;
    let mut system = System::new();
    system.start().await;
    let client = system.client().await;
    let mut database = PgConnection::connect(&system.database_url()).await.expect("the database");
    // What depends on when a checkpoint was and on which pages are touched has no place in the figures.
    for sql in ["alter system set autovacuum = off", "alter system set full_page_writes = off", "select pg_reload_conf()"] {
        sqlx::raw_sql(sql).execute(&mut database).await.expect("a setting");
    }
    // Nor has what is done by the clock, however much came in meanwhile: seals and the sums over them. As long as somebody else
    // holds their locks, no copy runs them.
    for job in ["seal", "settlement_sums"] {
        let lock = sqlx::query("select pg_advisory_lock(hashtextextended('points/' || $1, 0))").bind(job);
        lock.execute(&mut database).await.expect("the job's lock");
    }
    let major = sqlx::query_scalar("select current_setting('server_version_num')::int / 10000").fetch_one(&mut database).await;
    let major: i32 = major.expect("a version");
    let registrations = (0..MEMBERS).map(|number| register(&client, number, store(number)));
    stream::iter(registrations).buffer_unordered(UNDER_WAY).collect::<Vec<_>>().await;
    // The first invoice of each member brings the first spending, which the others don't have.
    send(&client, "W").await;
    system.quiet(&client).await;

    let before = Written::read(&mut database).await;
    send(&client, "T").await;
    system.quiet(&client).await;
    let written = Written::read(&mut database).await.since(before);
    system.stop(Signal::SIGTERM).await;

    let invoices = i64::try_from(MEMBERS).expect("a count");
    // A header for each commit and stream: as many as there are batches, each marked when it is published, on a slow machine perhaps twice.
    let (headers, rows): (BTreeMap<_, _>, BTreeMap<_, _>) =
        written.rows.into_iter().partition(|(table, _)| table.ends_with(".outbox_commit"));
    let expected = ROWS.map(|(table, [inserted, updated])| (table.to_owned(), [inserted * invoices, updated * invoices, 0]));
    assert_eq!(rows, BTreeMap::from(expected), "inserted, updated, deleted");
    assert_eq!(headers.len(), 4, "{headers:?}");
    for (table, [inserted, updated, deleted]) in headers {
        assert!(
            (1..=2 * invoices).contains(&inserted) && (inserted..=3 * inserted).contains(&updated) && deleted == 0,
            "{table}: {inserted}, {updated}, {deleted}"
        );
    }
    let wal = written.wal / invoices;
    let expected = if major == WAL_OF_MAJOR { WAL_BYTES } else { WAL_BYTES_ELSEWHERE };
    assert!(expected.contains(&wal), "an invoice writes {wal} bytes of write-ahead log, not {expected:?}");
    let read = written.read.values().sum::<i64>() / invoices;
    assert!(ROWS_READ.contains(&read), "an invoice reads {read} rows, not {ROWS_READ:?}; all of them: {:?}", written.read);
}

fn store(number: usize) -> &'static str {
    STORES[number % STORES.len()]
}

/// Sends an invoice of each member.
async fn send(client: &Client, run: &str) {
    let day = today() - Days::new(1);
    let documents = (0..MEMBERS).map(|number| document(run, number, day));
    let sending = documents.map(async |document| client.send_invoice(&document).await);
    stream::iter(sending).buffer_unordered(UNDER_WAY).collect::<Vec<_>>().await;
}

/// An invoice as most are: two lines and a discount.
fn document(run: &str, number: usize, day: NaiveDate) -> Value {
    json!({
        "store": store(number), "invoice_no": format!("{run}{number:07}"), "issued_at": format!("{day}T10:00:00+08:00"),
        "customer": { "phone": phone(number) }, "odometer_km": 30_000, "advisor": "A017", "currency": "CNY",
        "lines": [{ "line": 1, "category": "maintenance", "payer": "customer", "amount": "80.00", "description": "保养工时" },
                  { "line": 2, "category": "parts", "payer": "customer", "amount": "20.50", "description": "机油滤清器" }],
        "reductions": [{ "kind": "discount", "amount": "2.00" }],
    })
}

/// What was written so far.
struct Written {
    /// Bytes of write-ahead log.
    wal: i64,
    /// Rows read, by table.
    read: BTreeMap<String, i64>,
    /// Rows inserted, updated and deleted, by table; a partitioned one as a whole.
    rows: BTreeMap<String, [i64; 3]>,
}

impl Written {
    async fn read(database: &mut PgConnection) -> Self {
        end_connections(database).await;
        let tables: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(
            r"select schemaname || '.' || regexp_replace(relname, '_\d+$', ''), sum(n_tup_ins)::bigint, sum(n_tup_upd)::bigint,
                     sum(n_tup_del)::bigint, sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint
              from pg_stat_user_tables where schemaname = any ($1) group by 1",
        )
        .bind(SERVICES.as_slice())
        .fetch_all(&mut *database)
        .await
        .expect("what the tables counted");
        let wal = sqlx::query_scalar("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint");
        let wal = wal.fetch_one(&mut *database).await.expect("the log's end");
        let read = tables.iter().map(|(table, .., read)| (table.clone(), *read)).collect();
        let rows = tables.into_iter().map(|(table, inserted, updated, deleted, _)| (table, [inserted, updated, deleted])).collect();
        Self { wal, read, rows }
    }

    /// Without what was written before, and without tables that nobody has touched since.
    fn since(mut self, before: Self) -> Self {
        self.wal -= before.wal;
        for (table, read) in before.read {
            *self.read.get_mut(&table).expect("tables stay") -= read;
        }
        self.read.retain(|table, read| *read != 0 && !COUNTED.contains(&table.as_str()));
        for (table, counts) in before.rows {
            let now = self.rows.get_mut(&table).expect("tables stay");
            *now = std::array::from_fn(|kind| now[kind] - counts[kind]);
        }
        self.rows.retain(|_, counts| *counts != [0; 3]);
        self
    }
}

/// Ends all others' connections, which tell what they counted when they end or some seconds later. The services make new ones.
async fn end_connections(database: &mut PgConnection) {
    let told: Vec<(i32, bool)> = sqlx::query_as(
        "select pid, pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
    )
    .fetch_all(&mut *database)
    .await
    .expect("told to end");
    let ended: Vec<i32> = told.into_iter().map(|(pid, _)| pid).collect();
    until("the connections have ended", PATIENCE, async || {
        let left = sqlx::query_scalar("select count(*) from pg_stat_activity where pid = any ($1)").bind(&ended);
        let left: i64 = left.fetch_one(&mut *database).await.expect("connections");
        (left == 0).then_some(())
    })
    .await;
}
