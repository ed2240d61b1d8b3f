//! The group's rulebook: which stores, rates, expiry, tiers, campaigns and messages hold from which day on.
//!
//! ```text
//! folder of TOML files -> check (all findings at once) -> apply: lock, load newest, decide, insert + outbox -> program.applied
//! ```
//!
//! A version is immutable and hashed; versions count from 1 without gaps. The other services hear each one whole and keep it,
//! so a decision anywhere names the version that made it, and this service may be down without stopping them.
//!
//! Reading order: [`inbound`] (what enters), [`domain`] (files to rules, rules to a version), [`endpoints`], [`jobs`] (the
//! first version), [`store`] (the one table), [`presets`] (the programs that ship).

pub mod domain;
pub mod endpoints;
pub mod inbound;
pub mod jobs;
pub mod presets;
pub mod store;

use std::{collections::BTreeSet, sync::LazyLock};

use chrono::{DateTime, Utc};
use jifen_kernel::StoreCode;
use jifen_runtime::with_runtime_tables;
use sqlx::{migrate::Migrator, postgres::PgPoolOptions};

pub use domain::check::{Files, check};
pub use domain::files::{files_of, holidays as holidays_toml};
pub use domain::version::hash;
pub use inbound::service;
pub use presets::{PRESETS, preset};
pub use store::version::ReadError;

/// This service's tables behind the runtime's.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| with_runtime_tables(&sqlx::migrate!()));

/// The stores that may send documents at `at` or later, read from the database itself: the embedded broker has to know its users
/// before any service can be asked. None before the first start is over.
pub async fn stores(database_url: &str, at: DateTime<Utc>) -> Result<BTreeSet<StoreCode>, ReadError> {
    let pool = PgPoolOptions::new().max_connections(1).connect(database_url).await?;
    let stores = store::version::list_stores(&pool, at).await;
    pool.close().await;
    stores
}
