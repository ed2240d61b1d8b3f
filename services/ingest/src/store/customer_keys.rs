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
        r#"select key, member_id as "member_id!", member_no as "member_no!", owned_since, known_at as "known_at!", awaiting
           from customer_key where key = any($1) and member_id is not null"#,
        &texts(keys),
    )
    .fetch_all(tx)
    .await?;
    let owner = rows.into_iter().map(|row| {
        let owner = Owner {
            member_id: MemberId(row.member_id),
            member_no: row.member_no,
            owned_since: row.owned_since,
            known_at: row.known_at,
            awaiting_activation: row.awaiting,
        };
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

/// A member who has a key.
pub struct Holding {
    /// Who, since when.
    pub owner: Owner,
    /// When an event last said so.
    pub held_at: DateTime<Utc>,
    /// The event's place among those about the member.
    pub sequence: i64,
}

/// Writes the members who have these (locked) keys. Another member's key is only taken by a later event; the same member's
/// stays known since it was known first.
pub async fn save_owners(tx: &mut PgConnection, holdings: &BTreeMap<Key, Holding>, changed_at: DateTime<Utc>) -> Result<(), Failure> {
    if holdings.is_empty() {
        return Ok(());
    }
    let each = || holdings.values().map(|holding| &holding.owner);
    sqlx::query!(
        "update customer_key c set member_id = u.member_id, member_no = u.member_no, owned_since = u.owned_since,
                known_at = case when c.member_id = u.member_id then least(c.known_at, u.known_at) else u.known_at end,
                held_at = u.held_at, sequence = u.sequence, awaiting = u.awaiting, changed_at = $9
         from unnest($1::text[], $2::uuid[], $3::text[], $4::date[], $5::timestamptz[], $6::timestamptz[], $7::bigint[], $8::bool[])
              u(key, member_id, member_no, owned_since, known_at, held_at, sequence, awaiting)
         where c.key = u.key and (c.member_id is null or c.member_id = u.member_id
                                  or (coalesce(c.held_at, c.known_at), c.member_id) < (u.held_at, u.member_id))",
        &texts(holdings.keys()),
        &each().map(|owner| owner.member_id.0).collect::<Vec<_>>(),
        &each().map(|owner| owner.member_no.clone()).collect::<Vec<_>>(),
        &each().map(|owner| owner.owned_since).collect::<Vec<_>>() as &[Option<chrono::NaiveDate>],
        &each().map(|owner| owner.known_at).collect::<Vec<_>>(),
        &holdings.values().map(|holding| holding.held_at).collect::<Vec<_>>(),
        &holdings.values().map(|holding| holding.sequence).collect::<Vec<_>>(),
        &each().map(|owner| owner.awaiting_activation).collect::<Vec<_>>(),
        changed_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes (locked) keys from members who have them no more. The rows stay: documents may wait there.
pub async fn clear(tx: &mut PgConnection, lost: &BTreeSet<(Key, MemberId)>) -> Result<(), Failure> {
    if lost.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update customer_key c set member_id = null, member_no = null, owned_since = null, known_at = null, held_at = null,
                sequence = null, awaiting = false, changed_at = null
         from unnest($1::text[], $2::uuid[]) u(key, member_id) where c.key = u.key and c.member_id = u.member_id",
        &texts(lost.iter().map(|(key, _)| key)),
        &lost.iter().map(|(_, member)| member.0).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes whether the members who have these (locked) keys are activated.
pub async fn save_awaiting(tx: &mut PgConnection, awaiting: &BTreeMap<(Key, MemberId), bool>) -> Result<(), Failure> {
    if awaiting.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update customer_key c set awaiting = u.awaiting
         from unnest($1::text[], $2::uuid[], $3::bool[]) u(key, member_id, awaiting) where c.key = u.key and c.member_id = u.member_id",
        &texts(awaiting.keys().map(|(key, _)| key)),
        &awaiting.keys().map(|(_, member)| member.0).collect::<Vec<_>>(),
        &awaiting.values().copied().collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}
