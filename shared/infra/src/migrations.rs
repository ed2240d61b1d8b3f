//! Bringing each service's schema up to date, as the service's migrator and owned by its owner.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection};

use crate::database::{DatabaseError, connect_with, migrator_role, options_as, owner_role, quote};
use crate::keys::Keys;

/// What a service brings: its name, which is its schema's too, and its migrations.
///
/// Migrations name tables without a schema, and grant what the runtime role may do: `grant select, insert on entry to
/// jifen_points`. Nothing else gives it a right on a table.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The service.
    pub service: &'static str,
    /// Its migrations.
    pub migrator: &'static Migrator,
}

/// Why a schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationsError {
    /// Connecting as the migrator.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database knows a migration that this program does not.
    #[error(
        "the schema of `{service}` is newer than this program (migration {version}): use the version of jifen that made it, or a newer one"
    )]
    Newer {
        /// The service.
        service: &'static str,
        /// The unknown migration.
        version: i64,
    },
    /// A migration was changed after it was applied.
    #[error("migration {version} of `{service}` was changed after it was applied: bring its file back and put the change into a new one")]
    Changed {
        /// The service.
        service: &'static str,
        /// The migration.
        version: i64,
    },
    /// A migration failed.
    #[error("migrating `{service}`: {source}")]
    Failed {
        /// The service.
        service: &'static str,
        /// What failed.
        source: MigrateError,
    },
}

/// Applies what is missing, service after service; several processes may do so at a time. Afterwards each schema stands
/// as this program expects it.
pub async fn migrate(url: &str, keys: &Keys, schemas: &[Schema]) -> Result<(), MigrationsError> {
    for schema in schemas {
        let options = options_as(url, keys, &migrator_role(schema.service))?;
        let mut connection = connect_with(&options).await?;
        let result = apply(&mut connection, schema).await;
        connection.close().await.map_err(DatabaseError::from)?;
        result?;
    }
    Ok(())
}

async fn apply(connection: &mut PgConnection, schema: &Schema) -> Result<(), MigrationsError> {
    let service = schema.service;
    // Everything belongs to the owner, whom nobody can log in as; the migration table lies in the schema too.
    let roles = format!("set role {}; set search_path = {}", quote(&owner_role(service)), quote(service));
    sqlx::raw_sql(sqlx::AssertSqlSafe(roles)).execute(&mut *connection).await.map_err(DatabaseError::from)?;
    schema.migrator.run(connection).await.map_err(|source| match source {
        MigrateError::VersionMissing(version) => MigrationsError::Newer { service, version },
        MigrateError::VersionMismatch(version) => MigrationsError::Changed { service, version },
        source => MigrationsError::Failed { service, source },
    })
}
