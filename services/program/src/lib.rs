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

use std::sync::LazyLock;

use jifen_runtime::with_runtime_tables;
use sqlx::migrate::Migrator;

pub use domain::check::{Files, check};
pub use domain::files::files_of;
pub use domain::version::hash;
pub use inbound::service;
pub use presets::{PRESETS, preset};

/// This service's tables behind the runtime's.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| with_runtime_tables(&sqlx::migrate!()));
