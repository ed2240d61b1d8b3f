//! Whose vehicles were: asked only where nobody else is found. What `customer_keys` passes on or clears it writes here itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::MemberId;
use jifen_runtime::Failure;
use sqlx::PgConnection;

use crate::domain::customer::{Former, Formers, Key, Owner};

/// What a row is known by: a key that left a member who had it since a day.
pub type Left = (Key, MemberId, NaiveDate);

/// A member whom a key left.
pub struct Leaver {
    /// The number on the card.
    pub member_no: String,
    /// When it left.
    pub left_at: DateTime<Utc>,
    /// When the member registered with it.
    pub known_at: DateTime<Utc>,
}

/// Notes (locked) keys that left members without having been in the look-up: what was said twice is said once.
pub async fn save(tx: &mut PgConnection, left: &BTreeMap<Left, Leaver>) -> Result<(), Failure> {
    if left.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into former_owner as f (key, member_id, member_no, owned_since, left_at, known_at)
         select * from unnest($1::text[], $2::uuid[], $3::text[], $4::date[], $5::timestamptz[], $6::timestamptz[])
         on conflict (key, member_id, owned_since) do update
             set left_at = greatest(f.left_at, excluded.left_at), known_at = least(f.known_at, excluded.known_at)",
        &left.keys().map(|(key, ..)| key.0.clone()).collect::<Vec<_>>(),
        &left.keys().map(|(_, member, _)| member.0).collect::<Vec<_>>(),
        &left.values().map(|leaver| leaver.member_no.clone()).collect::<Vec<_>>(),
        &left.keys().map(|(.., since)| *since).collect::<Vec<_>>(),
        &left.values().map(|leaver| leaver.left_at).collect::<Vec<_>>(),
        &left.values().map(|leaver| leaver.known_at).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The members whom these keys left.
pub async fn load(tx: &mut PgConnection, keys: &BTreeSet<Key>) -> Result<Formers, Failure> {
    let mut formers = Formers::new();
    if keys.is_empty() {
        return Ok(formers);
    }
    let rows = sqlx::query!(
        "select f.key, f.member_id, f.member_no, f.owned_since, f.left_at, f.known_at, m.awaiting
         from former_owner f join member m using (member_id) where f.key = any($1)",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    for row in rows {
        let owner = Owner {
            member_id: MemberId(row.member_id),
            member_no: row.member_no,
            owned_since: Some(row.owned_since),
            known_at: row.known_at,
            awaiting_activation: row.awaiting,
        };
        formers.entry(Key(row.key)).or_default().push(Former { owner, left_at: row.left_at });
    }
    Ok(formers)
}
