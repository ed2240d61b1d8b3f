//! What is known of members, as of which of their events.

use std::collections::BTreeMap;

use jifen_kernel::MemberId;
use jifen_runtime::Failure;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{customer::Key, member::Known};

/// Locks the rows of these members until COMMIT, in the order of their ids, making those that aren't there, and loads them.
pub async fn lock(tx: &mut PgConnection, members: &[MemberId]) -> Result<BTreeMap<MemberId, Known>, Failure> {
    let ids: Vec<Uuid> = members.iter().map(|member| member.0).collect();
    sqlx::query!("insert into member (member_id) select * from unnest($1::uuid[]) on conflict do nothing", &ids).execute(&mut *tx).await?;
    let rows = sqlx::query!(
        "select member_id, keys, keys_sequence, awaiting, status_sequence from member where member_id = any($1)
         order by member_id for update",
        &ids,
    )
    .fetch_all(tx)
    .await?;
    if rows.len() < ids.len() {
        return Err(Failure::transient("a member vanished between two statements"));
    }
    let known = rows.into_iter().map(|row| {
        let known = Known {
            keys: row.keys.into_iter().map(Key).collect(),
            keys_sequence: row.keys_sequence,
            awaiting_activation: row.awaiting,
            status_sequence: row.status_sequence,
        };
        (MemberId(row.member_id), known)
    });
    Ok(known.collect())
}

/// Saves what is known of (locked) members, each with the number on the card.
pub async fn save(tx: &mut PgConnection, members: &BTreeMap<MemberId, (Known, String)>) -> Result<(), Failure> {
    let known = || members.values().map(|(known, _)| known);
    // Postgres has no lists of lists of different lengths: a member's keys travel as one text. No key holds a line break.
    let keys = known().map(|known| known.keys.iter().map(|key| key.0.as_str()).collect::<Vec<_>>().join("\n"));
    sqlx::query!(
        "update member m set member_no = u.member_no, keys = string_to_array(u.keys, E'\\n'), keys_sequence = u.keys_sequence,
                awaiting = u.awaiting, status_sequence = u.status_sequence
         from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bool[], $6::bigint[])
              u(member_id, member_no, keys, keys_sequence, awaiting, status_sequence)
         where m.member_id = u.member_id",
        &members.keys().map(|member| member.0).collect::<Vec<_>>(),
        &members.values().map(|(_, number)| number.clone()).collect::<Vec<_>>(),
        &keys.collect::<Vec<_>>(),
        &known().map(|known| known.keys_sequence).collect::<Vec<_>>(),
        &known().map(|known| known.awaiting_activation).collect::<Vec<_>>(),
        &known().map(|known| known.status_sequence).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}
