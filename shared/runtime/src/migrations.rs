//! The runtime's tables stand in every service's schema: their migration runs before the service's own.

use std::borrow::Cow;

use sqlx::migrate::Migrator;

static RUNTIME: Migrator = sqlx::migrate!("./migrations");

/// A service's migrations behind the runtime's.
pub fn with_runtime_tables(service: &Migrator) -> Migrator {
    let all = RUNTIME.iter().chain(service.iter()).cloned().collect();
    Migrator { migrations: Cow::Owned(all), ..Migrator::DEFAULT }
}
