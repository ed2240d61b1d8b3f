//! Connecting to Postgres, embedded or given by URL, and saying what is wrong when that fails.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgDatabaseError};
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::keys::Keys;

/// What connecting can fail with. No message carries a password.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Not a URL of Postgres.
    #[error("JIFEN_DATABASE_URL is no Postgres URL ({0}): it reads postgres://user:password@host:port/database")]
    Url(#[source] sqlx::Error),
    /// Nobody answers.
    #[error("no Postgres answers at {at} ({source}): start it, or correct JIFEN_DATABASE_URL")]
    Unreachable {
        /// Host and port.
        at: String,
        /// What the system said.
        source: sqlx::Error,
    },
    /// User or password are wrong.
    #[error("Postgres at {at} refuses user {user}: correct user and password in JIFEN_DATABASE_URL{hint}")]
    Refused {
        /// Host and port.
        at: String,
        /// The user.
        user: String,
        /// More, where the user is one of ours.
        hint: &'static str,
    },
    /// No such database.
    #[error("Postgres at {at} has no database `{database}`: create it, or name another in JIFEN_DATABASE_URL")]
    NoDatabase {
        /// Host and port.
        at: String,
        /// The database.
        database: String,
    },
    /// Too old.
    #[error("Postgres at {at} is {found}: jifen needs 15 or newer")]
    TooOld {
        /// Host and port.
        at: String,
        /// Its version.
        found: String,
    },
    /// May not create the database.
    #[error("user {user} may not create the database `{database}`: create it, or give the user CREATEDB")]
    MayNotCreate {
        /// The user.
        user: String,
        /// The database.
        database: String,
    },
    /// A statement failed.
    #[error("Postgres: {0}")]
    Sql(#[from] sqlx::Error),
}

impl DatabaseError {
    /// The SQLSTATE, if it came from the server.
    pub(crate) fn code(error: &sqlx::Error) -> Option<&str> {
        Some(error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?.code())
    }
}

pub(crate) fn options(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    // Statements that carry passwords are in no log, however slow they are.
    let quiet = |options: PgConnectOptions| sqlx::ConnectOptions::disable_statement_logging(options.application_name("jifen"));
    PgConnectOptions::from_str(url).map(quiet).map_err(DatabaseError::Url)
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

fn database_of(options: &PgConnectOptions) -> String {
    options.get_database().unwrap_or(options.get_username()).to_owned()
}

/// The name of the database in `url`.
pub fn database_name(url: &str) -> Result<String, DatabaseError> {
    Ok(database_of(&options(url)?))
}

/// Connects and refuses a server that is too old.
pub async fn connect(url: &str) -> Result<PgConnection, DatabaseError> {
    connect_with(&options(url)?).await
}

pub(crate) async fn connect_with(options: &PgConnectOptions) -> Result<PgConnection, DatabaseError> {
    let at = || address(options);
    let mut connection = match PgConnection::connect_with(options).await {
        Ok(connection) => connection,
        Err(error) => {
            return Err(match DatabaseError::code(&error) {
                Some("28P01" | "28000") => {
                    let user = options.get_username().to_owned();
                    let hint = if user.starts_with("jifen_") { "; for a role of jifen run `jifen migrate` once" } else { "" };
                    DatabaseError::Refused { at: at(), user, hint }
                }
                Some("3D000") => DatabaseError::NoDatabase { at: at(), database: database_of(options) },
                Some(_) => DatabaseError::Sql(error),
                None => DatabaseError::Unreachable { at: at(), source: error },
            });
        }
    };
    let (number, text): (i32, String) =
        sqlx::query_as("select current_setting('server_version_num')::int, current_setting('server_version')")
            .fetch_one(&mut connection)
            .await?;
    if number < 150_000 {
        return Err(DatabaseError::TooOld { at: at(), found: text });
    }
    Ok(connection)
}

/// Makes the database in `url` if it is missing. True if it was.
pub async fn ensure_database(url: &str) -> Result<bool, DatabaseError> {
    let wanted = options(url)?;
    match connect_with(&wanted).await {
        Ok(connection) => {
            connection.close().await?;
            return Ok(false);
        }
        Err(DatabaseError::NoDatabase { .. }) => {}
        Err(error) => return Err(error),
    }
    let database = database_of(&wanted);
    let mut server = connect_with(&wanted.clone().database("postgres")).await?;
    // Sorted by bytes everywhere, whatever the server's own default: golden lists compare on every machine.
    let sql = format!("create database {} template template0 encoding 'UTF8' locale 'C'", quote(&database));
    let made = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut server).await;
    server.close().await?;
    match made {
        Ok(_) => Ok(true),
        Err(error) => match DatabaseError::code(&error) {
            // Another start was faster.
            Some("42P04" | "23505") => Ok(false),
            Some("42501") => Err(DatabaseError::MayNotCreate { user: wanted.get_username().to_owned(), database }),
            _ => Err(error.into()),
        },
    }
}

/// An SQL identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A service's runtime role.
pub fn runtime_role(service: &str) -> String {
    format!("jifen_{service}")
}

/// The role that a service's migrations log in with.
pub fn migrator_role(service: &str) -> String {
    format!("jifen_{service}_migrator")
}

/// The role that owns a service's schema; nobody logs in as it.
pub fn owner_role(service: &str) -> String {
    format!("jifen_{service}_owner")
}

/// The password of one of our roles.
pub fn role_password(keys: &Keys, role: &str) -> String {
    keys.derive(&format!("postgres/{role}"))
}

pub(crate) fn options_as(url: &str, keys: &Keys, role: &str) -> Result<PgConnectOptions, DatabaseError> {
    Ok(options(url)?.username(role).password(&role_password(keys, role)))
}

/// The URL for `service`'s runtime role on the server and database of `url`.
pub fn database_url(url: &str, keys: &Keys, service: &str) -> Result<String, DatabaseError> {
    Ok(options_as(url, keys, &runtime_role(service))?.to_url_lossy().to_string())
}
