//! Which keys a database was made with. The ids stand in `jifen.key`, readable by every role of ours, written once.

use sqlx::{PgConnection, Row};

use crate::database::DatabaseError;
use crate::home::Home;
use crate::keys::{Key, Keys, KeysError};

/// Why the keys and the database don't go together.
#[derive(Debug, thiserror::Error)]
pub enum KeyIdsError {
    /// A key's file.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Another key than the one this database was made with.
    #[error(
        "key `{name}` in {place} is not the one that this database was made with (stored id {stored}, found {found}): restore it from your \
         backup of the keys folder, or name the database that belongs to these keys"
    )]
    Different {
        /// The key.
        name: &'static str,
        /// Where it was read.
        place: String,
        /// Its id in the database.
        stored: String,
        /// The id of the one found.
        found: String,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for KeyIdsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Opens the keys of `home` for the database of `connection`: reads them, makes those that neither the home nor the
/// database knows, and refuses a missing or different one. Also says which were made: they are to be backed up.
///
/// To be called before anything is written to the database.
pub async fn open_keys(home: &Home, connection: &mut PgConnection) -> Result<(Keys, Vec<&'static str>), KeyIdsError> {
    let stored = stored_ids(connection).await?;
    let (keys, made) = Keys::load_or_make(home, |name| stored.iter().any(|(known, _)| known == name))?;
    compare(&keys, &stored, &home.keys_dir().display().to_string())?;
    Ok((keys, made))
}

/// Refuses keys that are not those of the database. For processes that only use a database that exists.
pub async fn check_key_ids(connection: &mut PgConnection, keys: &Keys) -> Result<(), KeyIdsError> {
    compare(keys, &stored_ids(connection).await?, "HOME/keys")
}

/// Stores the ids of keys that the database does not know yet, and refuses those that it knows otherwise.
pub(crate) async fn store_key_ids(connection: &mut PgConnection, keys: &Keys) -> Result<(), KeyIdsError> {
    let (names, ids): (Vec<&str>, Vec<String>) = keys.iter().map(|key| (key.name(), key.id())).unzip();
    let insert = "insert into jifen.key (name, id) select * from unnest($1::text[], $2::text[]) on conflict (name) do nothing";
    sqlx::query(insert).bind(names).bind(ids).execute(&mut *connection).await?;
    // Another first start may have been faster, with keys of its own.
    check_key_ids(connection, keys).await
}

async fn stored_ids(connection: &mut PgConnection) -> Result<Vec<(String, String)>, sqlx::Error> {
    let there: bool = sqlx::query_scalar("select to_regclass('jifen.key') is not null").fetch_one(&mut *connection).await?;
    if !there {
        return Ok(Vec::new());
    }
    let rows = sqlx::query("select name, id from jifen.key").fetch_all(connection).await?;
    rows.into_iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn compare(keys: &Keys, stored: &[(String, String)], place: &str) -> Result<(), KeyIdsError> {
    let known = |key: &Key| stored.iter().find(|(name, _)| name == key.name()).map(|(_, id)| id.clone());
    for key in keys.iter() {
        if let Some(stored) = known(key).filter(|stored| *stored != key.id()) {
            return Err(KeyIdsError::Different { name: key.name(), place: place.to_owned(), stored, found: key.id() });
        }
    }
    Ok(())
}
