//! Frozen accounts. Read and written under the lock of the account: whoever takes points sees a freeze that was committed before.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jifen_contracts::endpoint::Staff;
use jifen_kernel::MemberId;
use jifen_runtime::Failure;
use sqlx::PgConnection;
use uuid::Uuid;

/// Those of these members whose account is frozen.
pub async fn load(tx: &mut PgConnection, members: &[MemberId]) -> Result<BTreeSet<MemberId>, Failure> {
    let members: Vec<Uuid> = members.iter().map(|member| member.0).collect();
    let frozen = sqlx::query_scalar!("select member_id from account_freeze where member_id = any($1) and unfrozen_at is null", &members)
        .fetch_all(tx)
        .await?;
    Ok(frozen.into_iter().map(MemberId).collect())
}

/// Why and by whom, by member.
pub type Said<'a> = BTreeMap<MemberId, (&'a str, &'a Staff)>;

/// Freezes accounts that aren't.
pub async fn freeze(tx: &mut PgConnection, said: &Said<'_>, at: DateTime<Utc>) -> Result<(), Failure> {
    let each = || said.values();
    sqlx::query!(
        "insert into account_freeze (member_id, frozen_at, reason, staff_id, role)
         select u.member_id, $5, u.reason, u.staff_id, u.role
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) u(member_id, reason, staff_id, role)",
        &said.keys().map(|member| member.0).collect::<Vec<_>>(),
        &each().map(|(reason, _)| (*reason).to_owned()).collect::<Vec<_>>(),
        &each().map(|(_, by)| by.staff_id.clone()).collect::<Vec<_>>(),
        &each().map(|(_, by)| by.role.clone()).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends the freezing of accounts that are frozen.
pub async fn unfreeze(tx: &mut PgConnection, said: &Said<'_>, at: DateTime<Utc>) -> Result<(), Failure> {
    let each = || said.values();
    sqlx::query!(
        "update account_freeze f set unfrozen_at = $5, unfreeze_reason = u.reason, unfreeze_staff_id = u.staff_id, unfreeze_role = u.role
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) u(member_id, reason, staff_id, role)
         where f.member_id = any($1) and f.member_id = u.member_id and f.unfrozen_at is null",
        &said.keys().map(|member| member.0).collect::<Vec<_>>(),
        &each().map(|(reason, _)| (*reason).to_owned()).collect::<Vec<_>>(),
        &each().map(|(_, by)| by.staff_id.clone()).collect::<Vec<_>>(),
        &each().map(|(_, by)| by.role.clone()).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
