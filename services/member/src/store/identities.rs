//! Keys and whose they are: table `identity`.

use std::collections::{BTreeMap, HashMap, HashSet};

use jifen_contracts::KeyedHash;
use jifen_kernel::MemberId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{read_member_no, read_status};
use crate::domain::{IdentityKind, Owner};

/// Keys of a batch in the order of their hashes, which is the order of locking; each with the first member who asked.
pub type Claims = BTreeMap<KeyedHash, (IdentityKind, MemberId)>;

/// Claims keys that nobody has. Waits for whoever claims one of them at this moment; returns those that were free.
pub async fn claim_identities(tx: &mut PgConnection, claims: &Claims) -> Result<HashSet<KeyedHash>, sqlx::Error> {
    let hashes: Vec<String> = claims.keys().map(|hash| hash.0.clone()).collect();
    let kinds: Vec<String> = claims.values().map(|(kind, _)| kind.as_str().to_owned()).collect();
    let members: Vec<Uuid> = claims.values().map(|(_, member)| member.0).collect();
    // Sorted here once more: the order of insertion is the order of the locks, and the database must not choose it.
    let free = sqlx::query_scalar!(
        "insert into identity (hash, kind, member_id)
         select u.hash, u.kind, u.member_id from unnest($1::text[], $2::text[], $3::uuid[]) u(hash, kind, member_id)
         order by u.hash collate \"C\"
         on conflict (hash) do nothing returning hash",
        &hashes,
        &kinds,
        &members,
    )
    .fetch_all(tx)
    .await?;
    Ok(free.into_iter().map(KeyedHash).collect())
}

/// Who has these keys. To be read in a later statement than the claim: only its snapshot has what the claim waited for.
pub async fn load_owners(tx: &mut PgConnection, hashes: &[String]) -> Result<HashMap<KeyedHash, Owner>, sqlx::Error> {
    let rows = sqlx::query!(
        "select i.hash, m.member_id, m.member_no, m.status, m.lapses_on from identity i join member m using (member_id) where i.hash = any($1)",
        hashes,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let owner = Owner {
            member_id: MemberId(row.member_id),
            member_no: read_member_no(row.member_id, &row.member_no)?,
            status: read_status(row.member_id, &row.status)?,
            lapses_on: row.lapses_on,
        };
        Ok((KeyedHash(row.hash), owner))
    });
    read.collect()
}

/// Gives keys to others: those that this transaction claimed, or those of members whom it has locked.
pub async fn reassign_identities(tx: &mut PgConnection, keys: &[(String, Uuid)]) -> Result<(), sqlx::Error> {
    let (hashes, members): (Vec<String>, Vec<Uuid>) = keys.iter().cloned().unzip();
    sqlx::query!(
        "update identity i set member_id = u.member_id from unnest($1::text[], $2::uuid[]) u(hash, member_id) where i.hash = u.hash",
        &hashes,
        &members,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives keys back: those that this transaction claimed for nobody, or those of members whom it has locked. Who waited for them claims them after the commit.
pub async fn release_identities(tx: &mut PgConnection, hashes: &[String]) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from identity where hash = any($1)", hashes).execute(tx).await?;
    Ok(())
}

/// The hashed phones of members.
pub async fn load_phones(tx: &mut PgConnection, members: &[Uuid]) -> Result<HashMap<MemberId, KeyedHash>, sqlx::Error> {
    let rows =
        sqlx::query!("select member_id, hash from identity where member_id = any($1) and kind = 'phone'", members).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|row| (MemberId(row.member_id), KeyedHash(row.hash))).collect())
}
