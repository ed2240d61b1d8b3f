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
/// stays known since it was known first. Of two members who had a vehicle's key the other one is noted as its former owner.
pub async fn save_owners(tx: &mut PgConnection, holdings: &BTreeMap<Key, Holding>, changed_at: DateTime<Utc>) -> Result<(), Failure> {
    if holdings.is_empty() {
        return Ok(());
    }
    let each = || holdings.values().map(|holding| &holding.owner);
    sqlx::query!(
        "with said as (
             select * from unnest($1::text[], $2::uuid[], $3::text[], $4::date[], $5::timestamptz[], $6::timestamptz[], $7::bigint[], $8::bool[])
                  u(key, member_id, member_no, owned_since, known_at, held_at, sequence, awaiting)
         ), met as (
             select c.key, c.member_id, c.member_no, c.owned_since, c.known_at, coalesce(c.held_at, c.known_at) as held_at,
                    u.member_id as next_id, u.member_no as next_no, u.owned_since as next_since, u.known_at as next_known,
                    u.held_at as next_held, (coalesce(c.held_at, c.known_at), c.member_id) < (u.held_at, u.member_id) as passes_on
             from customer_key c join said u using (key) where c.key = any($1) and c.member_id <> u.member_id
         ), noted as (
             insert into former_owner as f (key, member_id, member_no, owned_since, left_at, known_at)
             select key, member_id, member_no, owned_since, next_held, known_at from met where passes_on and owned_since is not null
             union all
             select key, next_id, next_no, next_since, held_at, next_known from met where not passes_on and next_since is not null
             on conflict (key, member_id, owned_since) do update
                 set left_at = greatest(f.left_at, excluded.left_at), known_at = least(f.known_at, excluded.known_at)
         )
         update customer_key c set member_id = u.member_id, member_no = u.member_no, owned_since = u.owned_since,
                known_at = case when c.member_id = u.member_id then least(c.known_at, u.known_at) else u.known_at end,
                held_at = u.held_at, sequence = u.sequence, awaiting = u.awaiting, changed_at = $9
         from said u
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

/// Takes (locked) keys from members who have them no more since an instant, and notes those of vehicles. The rows stay: documents
/// may wait there.
pub async fn clear(tx: &mut PgConnection, lost: &BTreeMap<(Key, MemberId), DateTime<Utc>>) -> Result<(), Failure> {
    if lost.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with noted as (
             insert into former_owner as f (key, member_id, member_no, owned_since, left_at, known_at)
             select c.key, c.member_id, c.member_no, c.owned_since, u.left_at, c.known_at
             from customer_key c join unnest($1::text[], $2::uuid[], $3::timestamptz[]) u(key, member_id, left_at) using (key, member_id)
             where c.key = any($1) and c.owned_since is not null
             on conflict (key, member_id, owned_since) do update
                 set left_at = greatest(f.left_at, excluded.left_at), known_at = least(f.known_at, excluded.known_at)
         )
         update customer_key c set member_id = null, member_no = null, owned_since = null, known_at = null, held_at = null,
                sequence = null, awaiting = false, changed_at = null
         from unnest($1::text[], $2::uuid[]) u(key, member_id) where c.key = u.key and c.member_id = u.member_id",
        &texts(lost.keys().map(|(key, _)| key)),
        &lost.keys().map(|(_, member)| member.0).collect::<Vec<_>>(),
        &lost.values().copied().collect::<Vec<_>>(),
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
