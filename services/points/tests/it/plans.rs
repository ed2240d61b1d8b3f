//! Plans are made once and kept, perhaps on tables that were empty then: what goes by a key must do so whatever the planner knew.

use std::path::Path;

use sqlx::Row;

use crate::support::Bench;

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
