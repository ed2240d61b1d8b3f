//! One migrated database for each set of migrations, made once on a server; a test's own is a copy of it, which takes
//! a few dozen milliseconds whatever the migrations cost.

use std::collections::HashSet;
use std::sync::Mutex;

use jifen_infra::{Schema, bootstrap, migrations};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::accounts::test_keys;
use crate::lease::url_of;
use crate::servers::Servers;

/// Chosen once; whoever makes a template, and with it roles that belong to the whole server, is alone.
const LOCK: i64 = 0x6a69_6602;

pub(crate) fn services(schemas: &[Schema]) -> Vec<&'static str> {
    schemas.iter().map(|schema| schema.service).collect()
}

/// The template's name: another one as soon as anything in it would be different.
fn name_of(schemas: &[Schema]) -> String {
    let mut hash = Sha256::new();
    hash.update(bootstrap::print_sql("template", &services(schemas)));
    for schema in schemas {
        hash.update(schema.service);
        for migration in schema.migrator.iter() {
            hash.update(migration.version.to_be_bytes());
            hash.update(&migration.checksum);
        }
    }
    format!("jifen_template_{}", hex::encode(&hash.finalize()[..8]))
}

/// The template for these schemas, made if it is missing.
pub(crate) async fn ensure(servers: &Servers, connection: &mut PgConnection, schemas: &[Schema]) -> anyhow::Result<String> {
    static SEEN: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let seen = || SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let name = name_of(schemas);
    if seen().as_ref().is_some_and(|names| names.contains(&name)) {
        return Ok(name);
    }
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut *connection).await?;
    let made = make_if_missing(servers, connection, schemas, &name).await;
    sqlx::query("select pg_advisory_unlock($1)").bind(LOCK).execute(&mut *connection).await?;
    made?;
    seen().get_or_insert_default().insert(name.clone());
    Ok(name)
}

async fn make_if_missing(servers: &Servers, connection: &mut PgConnection, schemas: &[Schema], name: &str) -> anyhow::Result<()> {
    let there = "select exists (select from pg_database where datname = $1)";
    if sqlx::query_scalar(there).bind(name).fetch_one(&mut *connection).await? {
        return Ok(());
    }
    // Made under another name: one that was killed half way is never taken for a template.
    let unfinished = format!("{name}_unfinished");
    run(connection, format!("drop database if exists {unfinished} with (force)")).await?;
    run(connection, format!("create database {unfinished} template template0 encoding 'UTF8' locale 'C'")).await?;
    let url = url_of(servers, &unfinished)?;
    bootstrap::bootstrap(&url, &test_keys(), &services(schemas)).await?;
    migrations::migrate(&url, &test_keys(), schemas).await?;
    run(connection, format!("alter database {unfinished} rename to {name}")).await?;
    Ok(())
}

/// Makes a copy of the template for one test.
pub(crate) async fn copy(connection: &mut PgConnection, template: &str, database: &str, schemas: &[Schema]) -> anyhow::Result<()> {
    run(connection, format!("create database {database} template {template}")).await?;
    run(connection, bootstrap::copy_sql(database, &services(schemas))).await
}

async fn run(connection: &mut PgConnection, sql: String) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}
