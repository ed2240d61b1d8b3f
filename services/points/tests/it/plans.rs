//! What statements read: rows of what they are about, however much else there is. Plans are made once and kept, perhaps on tables that
//! were empty then: what goes by a key must do so whatever the planner knew.

use std::{
    path::Path,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use jifen_contracts::event::{InvoiceRefunded, RefundedLine};
use jifen_kernel::Money;
use jifen_points::{InvoiceAcceptedHandler, InvoiceRefundedHandler, MemberActivatedHandler};
use jifen_runtime::{Ctx, Failure, Job, Outbox};
use sqlx::{PgConnection, Row};

use crate::{
    batches::Ledger,
    support::{Bench, activated, awaiting, invoice, member, program, store},
};

/// A batch, and how many entries it read.
struct Reads<J>(J, AtomicI64);

impl<J: Job> Job for Reads<J> {
    const NAME: &'static str = "reads";
    const EVERY: Duration = Duration::MAX;

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        let read = "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables
                    where schemaname = 'points' and relname = 'entry'";
        let before: i64 = sqlx::query_scalar(read).fetch_one(&mut *tx).await?;
        self.0.run(cx, tx, out).await?;
        let after: i64 = sqlx::query_scalar(read).fetch_one(tx).await?;
        self.1.store(after - before, Ordering::Relaxed);
        Ok(())
    }
}

async fn entries_read(ledger: &Ledger, batch: impl Job) -> i64 {
    let reads = Reads(batch, AtomicI64::new(-1));
    ledger.run(&reads).await;
    reads.1.into_inner()
}

/// A company's account has a long chain: what is taken back or activated costs what it costs anybody else.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_does_not_grow_with_a_members_chain() {
    let ledger = Ledger::start("2026-10-09T02:20:00Z".parse().expect("instant"), &[program(1)]).await;
    let mut read = Vec::new();
    for (number, before) in [(1, 0), (2, 3_000)] {
        let bills =
            [invoice(&format!("R{number}"), number, "repair", "100.00"), invoice(&format!("W{number}"), number + 10, "repair", "1.00")];
        ledger.handle(InvoiceAcceptedHandler, &[bills[0].clone(), awaiting(bills[1].clone())]).await;
        // Whatever else happened to both members.
        for member_id in [member(number), member(number + 10)] {
            let chain = format!(
                "insert into points.entry (member_id, sequence, entry_id, debit, credit, points, kind, store, document, category, rule, ordinal,
                                           qualifying, pending, lot_id, expires_on, posted_at, hash)
                 select a.member_id, a.sequence + i, gen_random_uuid(), 'adjusted', 'expired', 1, 'expiry', 'SH01', 'F' || i, '', 'expiry@1',
                        (a.sequence + i)::int, false, false, gen_random_uuid(), '2026-01-01', '2026-01-01T00:00:00Z', sha256('x')
                 from points.account a cross join generate_series(1, {before}) i where a.member_id = '{member_id}';
                 update points.account set sequence = sequence + {before} where member_id = '{member_id}'"
            );
            ledger.sql(&chain).await;
        }
        let bill = &bills[0];
        let refund = InvoiceRefunded {
            store: store(),
            refund_no: format!("C{number}"),
            invoice_no: bill.invoice_no.clone(),
            member_id: bill.member_id,
            member_no: bill.member_no.clone(),
            refunded_at: bill.issued_at,
            business_date: bill.business_date,
            received_at: bill.received_at,
            program_version: 1,
            refunded: vec![RefundedLine { line: 1, amount: Money::from_fen(5_000) }],
            lines: bill.lines.clone(),
            reductions: Vec::new(),
        };
        let refunded = entries_read(&ledger, Ledger::batch(InvoiceRefundedHandler, &[refund])).await;
        let activated = entries_read(&ledger, Ledger::batch(MemberActivatedHandler, &[activated(number + 10)])).await;
        assert!(refunded > 0 && activated > 0);
        read.push((refunded, activated));
    }
    // The documents' own entries, however they are found.
    assert!(read.iter().all(|(refunded, activated)| *refunded <= 20 && *activated <= 20), "{read:?}");
    assert_eq!(ledger.bench.number("select sum(active)::bigint FROM account").await, 2 * (150 + 101));
    ledger.close().await;
}

/// The updates of large tables that stand in [`BEGINNINGS`], as they are in the crate's cache of statements.
fn updates() -> Vec<(String, usize)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let read = |path: &Path| -> serde_json::Value { serde_json::from_slice(&std::fs::read(path).expect("read")).expect("json") };
    let files = std::fs::read_dir(folder).expect("the cache").map(|file| read(&file.expect("a file").path()));
    let statement = |file: serde_json::Value| {
        let parameters = file["describe"]["parameters"]["Left"].as_array().map_or(0, Vec::len);
        (file["query"].as_str().expect("a statement").to_owned(), parameters)
    };
    let of_large = |(query, _): &(String, usize)| BEGINNINGS.iter().any(|beginning| query.starts_with(beginning));
    files.map(statement).filter(of_large).collect()
}

const BEGINNINGS: [&str; 4] = ["update lot l set remaining", "update account a set active", "update pending_lot p", "update hold h"];

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_made_on_an_empty_table_goes_by_its_key() {
    let bench = Bench::start().await;
    let updates = updates();
    assert!(updates.len() > BEGINNINGS.len(), "each is there, and lots have two: {updates:?}");
    let mut tx = bench.env.admin_pool().begin().await.expect("begin");
    sqlx::raw_sql("set local search_path = points; set local plan_cache_mode = force_generic_plan").execute(&mut *tx).await.expect("set");
    for (number, (update, parameters)) in updates.into_iter().enumerate() {
        let nulls = vec!["null"; parameters].join(", ");
        let prepare = format!("prepare u{number} as {update}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut *tx).await.expect("prepared");
        let explain = format!("explain execute u{number}({nulls})");
        let plan = sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_all(&mut *tx).await.expect("explained");
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        assert!(plan.iter().all(|line| !line.contains("Seq Scan")), "{update}\n{}", plan.join("\n"));
    }
}
