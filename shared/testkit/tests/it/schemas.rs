//! Two tiny services.

use std::sync::LazyLock;

use jifen_testkit::Schema;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

static POINTS: LazyLock<Migrator> = LazyLock::new(|| {
    migrator(&[
        "create table entry (id bigint generated always as identity primary key, points bigint not null check (points > 0));
         create table balance (member text primary key, points bigint not null);
         grant select, insert on entry to jifen_points;
         grant select, insert, update on balance to jifen_points;",
        "create index entry_points on entry (points);",
    ])
});
static TIER: LazyLock<Migrator> =
    LazyLock::new(|| migrator(&["create table standing (member text primary key); grant select on standing to jifen_tier;"]));
static CHANGED: LazyLock<Migrator> = LazyLock::new(|| migrator(&["create table other (member text)", "select 1"]));
static SHORTER: LazyLock<Migrator> = LazyLock::new(|| Migrator::with_migrations(POINTS.iter().take(1).cloned().collect()));

fn migrator(statements: &[&'static str]) -> Migrator {
    let migration =
        |(number, sql): (i64, &&'static str)| Migration::new(number, "step".into(), MigrationType::Simple, (*sql).into_sql_str(), false);
    Migrator::with_migrations((1..).zip(statements).map(migration).collect())
}

pub fn both() -> [Schema; 2] {
    [Schema { service: "points", migrator: &POINTS }, Schema { service: "tier", migrator: &TIER }]
}

/// The points schema as a program would have it whose first migration was edited.
pub fn changed() -> [Schema; 1] {
    [Schema { service: "points", migrator: &CHANGED }]
}

/// The points schema as an older program knows it.
pub fn older() -> [Schema; 1] {
    [Schema { service: "points", migrator: &SHORTER }]
}
