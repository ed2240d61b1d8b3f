//! Keys of customers: the look-up, and the rows that both sides of a wait lock.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jifen_kernel::MemberId;
use jifen_runtime::Failure;
use sqlx::PgConnection;

use crate::domain::customer::{Key, Owner, Owners};

fn texts<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Vec<String> {
    keys.into_iter().map(|key| key.0.clone()).collect()
}

/// The members who have these keys.
pub async fn load_owners(tx: &mut PgConnection, keys: &BTreeSet<Key>) -> Result<Owners, Failure> {
    let rows = sqlx::query!(
        r#"select key, member_id as "member_id!", member_no as "member_no!", owned_since, known_at as "known_at!"
           from customer_key where key = any($1) and member_id is not null"#,
        &texts(keys),
    )
    .fetch_all(tx)
    .await?;
    let owner = rows.into_iter().map(|row| {
        let owner =
            Owner { member_id: MemberId(row.member_id), member_no: row.member_no, owned_since: row.owned_since, known_at: row.known_at };
        (Key(row.key), owner)
    });
    Ok(owner.collect())
}

/// Locks the rows of these keys until COMMIT, in the order of the keys, making those that aren't there: a row that isn't
/// there can't be locked. What was committed while this waited is only seen by a later statement.
pub async fn lock(tx: &mut PgConnection, keys: &BTreeSet<Key>) -> Result<(), Failure> {
    let keys = texts(keys);
    sqlx::query!("insert into customer_key (key) select * from unnest($1::text[]) on conflict do nothing", &keys).execute(&mut *tx).await?;
    let locked =
        sqlx::query_scalar!("select key from customer_key where key = any($1) order by key for update", &keys).fetch_all(tx).await?;
    if locked.len() == keys.len() { Ok(()) } else { Err(Failure::transient("a customer's key vanished between two statements")) }
}

/// Writes the members who have these (locked) keys. A key's row is replaced by a higher `sequence` only.
pub async fn save_owners(tx: &mut PgConnection, owners: &BTreeMap<Key, (Owner, i64)>, changed_at: DateTime<Utc>) -> Result<(), Failure> {
    let each = || owners.values().map(|(owner, _)| owner);
    sqlx::query!(
        "update customer_key c set member_id = u.member_id, member_no = u.member_no, owned_since = u.owned_since, known_at = u.known_at,
                sequence = u.sequence, changed_at = $7
         from unnest($1::text[], $2::uuid[], $3::text[], $4::date[], $5::timestamptz[], $6::bigint[])
              u(key, member_id, member_no, owned_since, known_at, sequence)
         where c.key = u.key and (c.member_id is null or c.sequence < u.sequence)",
        &texts(owners.keys()),
        &each().map(|owner| owner.member_id.0).collect::<Vec<_>>(),
        &each().map(|owner| owner.member_no.clone()).collect::<Vec<_>>(),
        &each().map(|owner| owner.owned_since).collect::<Vec<_>>() as &[Option<chrono::NaiveDate>],
        &each().map(|owner| owner.known_at).collect::<Vec<_>>(),
        &owners.values().map(|(_, sequence)| *sequence).collect::<Vec<_>>(),
        changed_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
