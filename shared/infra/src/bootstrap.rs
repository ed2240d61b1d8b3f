//! What an administrator makes once in a database: for each service an owner that nobody logs in as, a migrator, a
//! runtime role that sees its own schema and nothing else, and the schema; for the ledger a role that only reads it; for the
//! installation the table of key ids.
//! One transaction under a lock; running it again repairs what was changed.
//!
//! The same text is printed for a DBA who would rather run it (`jifen migrate --print-sql`).

use std::fmt::Write as _;

use sqlx::{Connection, PgConnection};

use crate::database::{self, DatabaseError, migrator_role, owner_role, quote, role_password, runtime_role};
use crate::key_ids::{KeyIdsError, store_key_ids};
use crate::keys::Keys;

/// Chosen once; two starts on one database wait for each other here.
const LOCK: i64 = 0x6a69_6665_6e00_0001;

/// The role that checks the ledger is named as a service's.
pub const AUDITOR: &str = "auditor";
/// The service whose tables it reads.
const AUDITED: &str = "points";

/// Why the database could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The administrator may not do it.
    #[error(
        "user {user} of JIFEN_DATABASE_URL may not make roles and schemas ({reason}): give it CREATEROLE and CREATE on the database, or let a \
         DBA run what `jifen migrate --print-sql` prints"
    )]
    NoRight {
        /// The user.
        user: String,
        /// What Postgres said.
        reason: String,
    },
    /// The keys don't belong to this database.
    #[error(transparent)]
    Keys(#[from] KeyIdsError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for BootstrapError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Prepares the database of `url`, an administrator's, for `services`, and binds it to `keys`. An administrator without
/// the rights will do where a DBA has prepared everything.
pub async fn bootstrap(url: &str, keys: &Keys, services: &[&str]) -> Result<(), BootstrapError> {
    let mut connection = database::connect(url).await?;
    match prepare(&mut connection, url, keys, services).await {
        Err(BootstrapError::Database(DatabaseError::Sql(error))) if DatabaseError::code(&error) == Some("42501") => {
            if !is_prepared(&mut connection, services).await? {
                let user = database::options(url)?.get_username().to_owned();
                return Err(BootstrapError::NoRight { user, reason: error.to_string() });
            }
            // The roles are a DBA's work; the ids of the keys are ours to write.
            if let Some(service) = services.first() {
                let mut migrator = database::connect_with(&database::options_as(url, keys, &migrator_role(service))?).await?;
                store_key_ids(&mut migrator, keys).await?;
            }
        }
        done => done?,
    }
    Ok(connection.close().await?)
}

async fn prepare(connection: &mut PgConnection, url: &str, keys: &Keys, services: &[&str]) -> Result<(), BootstrapError> {
    let mut transaction = connection.begin().await?;
    keep_out_of_logs(&mut transaction).await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let sql = installation_sql();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    // Before any password is set: with foreign keys nothing is touched.
    store_key_ids(&mut transaction, keys).await?;
    let database = database::database_name(url)?;
    let sql = services_sql(&database, services, |role| format!("'{}'", role_password(keys, role)));
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// The statements carry passwords: a server that logs statements is asked not to log these. Only a superuser may ask.
async fn keep_out_of_logs(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let sql = "do $$ begin
        perform set_config('log_statement', 'none', true), set_config('log_min_duration_statement', '-1', true),
                set_config('log_min_error_statement', 'panic', true);
    exception when insufficient_privilege then null; end $$";
    sqlx::raw_sql(sql).execute(connection).await.map(|_| ())
}

/// Whether every role, schema and table is there.
async fn is_prepared(connection: &mut PgConnection, services: &[&str]) -> Result<bool, sqlx::Error> {
    let roles: Vec<String> = services.iter().flat_map(|service| [runtime_role(service), migrator_role(service)]).collect();
    let schemas: Vec<String> = services.iter().map(ToString::to_string).collect();
    let sql = "select to_regclass('jifen.key') is not null
        and not exists (select from unnest($1::text[]) role where role not in (select rolname from pg_roles))
        and not exists (select from unnest($2::text[]) name where name not in (select nspname from pg_namespace))";
    sqlx::query_scalar(sql).bind(roles).bind(schemas).fetch_one(connection).await
}

/// The whole preparation as a script for `psql`. Passwords are variables: `psql -v password_jifen_points=…`.
pub fn print_sql(database: &str, services: &[&str]) -> String {
    let mut sql = String::from("-- Run with psql as a superuser, or as a user with CREATEROLE and all rights on the database.\n");
    sql.push_str("-- Passwords: psql -v password_<role>=… for each role below with a password.\n");
    let _ = writeln!(sql, "begin;\nselect pg_advisory_xact_lock({LOCK});");
    sql.push_str(&installation_sql());
    sql.push_str(&services_sql(database, services, |role| format!(":'password_{role}'")));
    sql.push_str("commit;\n");
    sql
}

/// A role, made once; and the right for an administrator who is no superuser to act for it.
fn role_sql(role: &str) -> String {
    format!(
        "do $$ begin
  if not exists (select from pg_roles where rolname = '{role}') then create role {role} nologin; end if;
  if not (select rolsuper from pg_roles where rolname = current_user) and not pg_has_role(current_user, '{role}', 'usage') then
    grant {role} to current_user;
  end if;
end $$;\n"
    )
}

fn installation_sql() -> String {
    role_sql("jifen_owner")
        + "create schema if not exists jifen authorization jifen_owner;
create table if not exists jifen.key (name text primary key, id text not null, stored_at timestamptz not null default now());
alter table jifen.key owner to jifen_owner;
grant usage on schema jifen to public;
grant select on jifen.key to public;
"
}

fn services_sql(database: &str, services: &[&str], password: impl Fn(&str) -> String) -> String {
    let on_database = quote(database);
    let mut sql = format!("revoke all on database {on_database} from public;\nrevoke all on schema public from public;\n");
    for service in services {
        let (owner, migrator, runtime) = (owner_role(service), migrator_role(service), runtime_role(service));
        let schema = quote(service);
        for role in [&owner, &migrator, &runtime] {
            sql.push_str(&role_sql(role));
        }
        let _ = write!(
            sql,
            "alter role {migrator} login password {};
alter role {runtime} login password {};
grant {owner} to {migrator};
grant connect on database {on_database} to {migrator}, {runtime};
create schema if not exists {schema} authorization {owner};
revoke all on schema {schema} from public;
grant usage on schema {schema} to {runtime};
alter default privileges for role {owner} in schema {schema} grant usage on sequences to {runtime};
grant insert on jifen.key to {migrator};
{}",
            password(&migrator),
            password(&runtime),
            search_path_sql(database, service),
        );
    }
    if services.contains(&AUDITED) {
        sql.push_str(&auditor_sql(database, &password(&runtime_role(AUDITOR))));
    }
    sql
}

/// Whoever checks the ledger: reads all of its tables and changes nothing.
fn auditor_sql(database: &str, password: &str) -> String {
    let (auditor, owner, schema) = (runtime_role(AUDITOR), owner_role(AUDITED), quote(AUDITED));
    format!(
        "{}alter role {auditor} login password {password};
grant usage on schema {schema} to {auditor};
grant select on all tables in schema {schema} to {auditor};
alter default privileges for role {owner} in schema {schema} grant select on tables to {auditor};
{}",
        role_sql(&auditor),
        auditor_in_database_sql(database)
    )
}

fn auditor_in_database_sql(database: &str) -> String {
    let (auditor, on_database) = (runtime_role(AUDITOR), quote(database));
    format!(
        "grant connect on database {on_database} to {auditor};
alter role {auditor} in database {on_database} set search_path = {};
alter role {auditor} in database {on_database} set default_transaction_read_only = on;
",
        quote(AUDITED)
    )
}

/// Where a service's roles find their tables in this database. A copy of a database does not bring it along.
fn search_path_sql(database: &str, service: &str) -> String {
    let set = |role| format!("alter role {role} in database {} set search_path = {};\n", quote(database), quote(service));
    set(runtime_role(service)) + &set(migrator_role(service))
}

/// What a copy of a prepared database (`create database … template …`) still needs, to be run from any database of the
/// server.
pub fn copy_sql(database: &str, services: &[&str]) -> String {
    let mut sql = format!("revoke all on database {} from public;\n", quote(database));
    for service in services {
        sql.push_str(&search_path_sql(database, service));
        let (migrator, runtime) = (migrator_role(service), runtime_role(service));
        let _ = writeln!(sql, "grant connect on database {} to {migrator}, {runtime};", quote(database));
    }
    if services.contains(&AUDITED) {
        sql.push_str(&auditor_in_database_sql(database));
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_sql_has_variables_and_no_password() {
        let sql = print_sql("jifen", &["points"]);
        assert!(sql.contains("alter role jifen_points login password :'password_jifen_points';"), "{sql}");
        assert!(sql.starts_with("--") && sql.ends_with("commit;\n"), "{sql}");
    }
}
