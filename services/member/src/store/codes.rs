//! Codes that activate, and how many were sent: tables `activation_code`, `code_count`.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use jifen_kernel::MemberId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{SentCode, Span};

/// A code to save.
pub struct NewCode {
    /// Whose.
    pub member_id: MemberId,
    /// Random bytes that its hash is made with.
    pub salt: [u8; 16],
    /// Its keyed hash.
    pub hash: [u8; 32],
    /// It holds until then.
    pub not_after: DateTime<Utc>,
    /// So many wrong ones may be tried.
    pub attempts: i32,
}

/// A code as it is kept.
#[derive(Debug, Clone)]
pub struct KeptCode {
    /// Random bytes that its hash is made with.
    pub salt: Vec<u8>,
    /// Its keyed hash.
    pub hash: Vec<u8>,
    /// What decides.
    pub sent: SentCode,
}

/// Saves codes, each in place of the member's one before. The members are locked, or new.
pub async fn save_codes(tx: &mut PgConnection, codes: &[NewCode], now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into activation_code (member_id, salt, hash, issued_at, not_after, attempts_left)
         select u.member_id, u.salt, u.hash, $6, u.not_after, u.attempts
         from unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::timestamptz[], $5::int[]) u(member_id, salt, hash, not_after, attempts)
         on conflict (member_id) do update set salt = excluded.salt, hash = excluded.hash, issued_at = excluded.issued_at,
             not_after = excluded.not_after, attempts_left = excluded.attempts_left, used_at = null",
        &codes.iter().map(|code| code.member_id.0).collect::<Vec<_>>(),
        &codes.iter().map(|code| code.salt.to_vec()).collect::<Vec<_>>(),
        &codes.iter().map(|code| code.hash.to_vec()).collect::<Vec<_>>(),
        &codes.iter().map(|code| code.not_after).collect::<Vec<_>>(),
        &codes.iter().map(|code| code.attempts).collect::<Vec<_>>(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The last codes of locked members.
pub async fn load_codes(tx: &mut PgConnection, members: &[Uuid]) -> Result<HashMap<MemberId, KeptCode>, sqlx::Error> {
    let rows = sqlx::query!(
        "select member_id, salt, hash, not_after, attempts_left, used_at is not null as \"used!\"
         from activation_code where member_id = any($1)",
        members,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let sent = SentCode { not_after: row.not_after, attempts_left: row.attempts_left, used: row.used };
        (MemberId(row.member_id), KeptCode { salt: row.salt, hash: row.hash, sent })
    });
    Ok(read.collect())
}

/// Saves what attempts left of codes.
pub async fn save_attempts(tx: &mut PgConnection, codes: &[(MemberId, SentCode)], now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update activation_code c set attempts_left = u.attempts_left, used_at = case when u.used then coalesce(c.used_at, $4) end
         from unnest($1::uuid[], $2::int[], $3::bool[]) u(member_id, attempts_left, used)
         where c.member_id = any($1) and c.member_id = u.member_id",
        &codes.iter().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &codes.iter().map(|(_, code)| code.attempts_left).collect::<Vec<_>>(),
        &codes.iter().map(|(_, code)| code.used).collect::<Vec<_>>(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes the codes of locked members void.
pub async fn void_codes(tx: &mut PgConnection, members: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query!("update activation_code set attempts_left = 0 where member_id = any($1)", members).execute(tx).await?;
    Ok(())
}

/// Locks spans in their order and reads how many codes each has seen.
pub async fn load_counts(tx: &mut PgConnection, spans: &[Span]) -> Result<BTreeMap<Span, u32>, sqlx::Error> {
    let scopes: Vec<String> = spans.iter().map(|span| span.scope.clone()).collect();
    let since: Vec<DateTime<Utc>> = spans.iter().map(|span| span.since).collect();
    sqlx::query!(
        "insert into code_count (scope, since, issued)
         select u.scope, u.since, 0 from unnest($1::text[], $2::timestamptz[]) u(scope, since)
         order by u.scope collate \"C\", u.since on conflict do nothing",
        &scopes,
        &since,
    )
    .execute(&mut *tx)
    .await?;
    // A later statement: it sees what the insertion waited for.
    let rows = sqlx::query!(
        "select scope, since, issued from code_count
         where (scope, since) in (select * from unnest($1::text[], $2::timestamptz[]))
         order by scope, since for update",
        &scopes,
        &since,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| (Span { scope: row.scope, since: row.since }, u32::try_from(row.issued).unwrap_or(u32::MAX)));
    Ok(read.collect())
}

/// Saves how many codes locked spans have seen.
pub async fn save_counts(tx: &mut PgConnection, counts: &BTreeMap<Span, u32>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update code_count c set issued = u.issued
         from unnest($1::text[], $2::timestamptz[], $3::int[]) u(scope, since, issued)
         where c.scope = any($1) and c.scope = u.scope and c.since = u.since",
        &counts.keys().map(|span| span.scope.clone()).collect::<Vec<_>>(),
        &counts.keys().map(|span| span.since).collect::<Vec<_>>(),
        &counts.values().map(|count| i32::try_from(*count).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets spans that began before `before`.
pub async fn forget_counts(tx: &mut PgConnection, before: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from code_count where since < $1", before).execute(tx).await?;
    Ok(())
}
