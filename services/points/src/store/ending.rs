//! Lots by their last day: what ended, what will, and who was reminded of it.
//!
//! Parts go through `lot_expiry` behind the last row of the part before, so a part costs what it holds, however many went before it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::Balance;
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{domain::lots::LotPart, jobs::Part};

/// A place in the order of ends: all lots of this member and last day are behind it.
pub type Place = (NaiveDate, Uuid);

/// The next lots that ended before `day`, by last day and member: those of one place stand as often as it has lots.
pub async fn list_ended(tx: &mut PgConnection, day: NaiveDate, behind: Place, part: Part) -> Result<Vec<Place>, Failure> {
    let rows = sqlx::query!(
        "select expires_on, member_id from lot
         where remaining > 0 and expires_on < $1 and (expires_on, member_id) > ($2, $3)
         order by expires_on, member_id limit $4 offset $5",
        day,
        behind.0,
        behind.1,
        part.limit,
        part.offset
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.expires_on, row.member_id)).collect())
}

/// What is left of the lots of locked accounts that ended up to `up_to`.
pub async fn load_ended(tx: &mut PgConnection, members: &[Uuid], up_to: NaiveDate) -> Result<BTreeMap<MemberId, Vec<LotPart>>, Failure> {
    let rows = sqlx::query!(
        "select member_id, lot_id, store, document, remaining, expires_on from lot
         where member_id = any($1) and remaining > 0 and expires_on <= $2 order by member_id, expires_on, lot_id",
        members,
        up_to
    )
    .fetch_all(tx)
    .await?;
    let mut lots: BTreeMap<MemberId, Vec<LotPart>> = BTreeMap::new();
    for row in rows {
        let bad = |_| BadRow { table: "lot", key: row.lot_id.to_string(), what: "store" };
        let store = StoreCode::try_new(row.store.as_str()).map_err(bad)?;
        let points = Points(row.remaining);
        let part = LotPart { lot_id: row.lot_id, store, document: row.document, expires_on: row.expires_on, points };
        lots.entry(MemberId(row.member_id)).or_default().push(part);
    }
    Ok(lots)
}

/// Nothing is left of these lots.
pub async fn save_ended(tx: &mut PgConnection, lots: &BTreeMap<MemberId, Vec<LotPart>>) -> Result<(), Failure> {
    let (members, ids): (Vec<Uuid>, Vec<Uuid>) =
        lots.iter().flat_map(|(member, lots)| lots.iter().map(|lot| (member.0, lot.lot_id))).unzip();
    sqlx::query!(
        "update lot l set remaining = 0 from unnest($1::uuid[], $2::uuid[]) u(member_id, lot_id)
         where l.member_id = any($1) and l.lot_id = any($2) and l.member_id = u.member_id and l.lot_id = u.lot_id",
        &members,
        &ids
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The next members with lots whose last day is `on`: each stands as often as it has lots.
pub async fn list_ending(tx: &mut PgConnection, on: NaiveDate, behind: Uuid, part: Part) -> Result<Vec<Uuid>, Failure> {
    let members = sqlx::query_scalar!(
        "select member_id from lot where remaining > 0 and expires_on = $1 and member_id > $2
         order by member_id limit $3 offset $4",
        on,
        behind,
        part.limit,
        part.offset
    )
    .fetch_all(tx)
    .await?;
    Ok(members)
}

/// What of a member will end.
pub struct Ending {
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// By who funded them.
    pub points: Vec<(StoreCode, Points)>,
    /// As it is now.
    pub balance: Balance,
}

/// What of these members will end on `on`: all of it, in the order of members. Nothing is locked: a reminder says what is there now.
pub async fn load_ending(tx: &mut PgConnection, on: NaiveDate, members: &BTreeSet<Uuid>) -> Result<Vec<Ending>, Failure> {
    let members: Vec<Uuid> = members.iter().copied().collect();
    let rows = sqlx::query!(
        r#"select a.member_id, a.member_no, a.active, a.pending, a.reserved, a.debt, l.store, l.points as "points!"
           from account a cross join lateral (
               select store, sum(remaining)::bigint as points from lot
               where member_id = a.member_id and remaining > 0 and expires_on = $2 group by store
           ) l
           where a.member_id = any($1) order by a.member_id, l.store"#,
        &members,
        on
    )
    .fetch_all(tx)
    .await?;
    let mut all: Vec<Ending> = Vec::with_capacity(members.len());
    for row in rows {
        let bad = |_| BadRow { table: "lot", key: row.member_id.to_string(), what: "store" };
        let funded = (StoreCode::try_new(row.store.as_str()).map_err(bad)?, Points(row.points));
        match all.last_mut().filter(|last| last.member_id.0 == row.member_id) {
            Some(last) => last.points.push(funded),
            None => all.push(Ending {
                member_id: MemberId(row.member_id),
                member_no: row.member_no,
                points: vec![funded],
                balance: Balance {
                    active: Points(row.active),
                    pending: Points(row.pending),
                    reserved: Points(row.reserved),
                    debt: Points(row.debt),
                },
            }),
        }
    }
    Ok(all)
}

/// Claims reminders, in the order of members; gives back those that were not claimed before.
pub async fn claim_reminders(
    tx: &mut PgConnection,
    on: NaiveDate,
    days: u32,
    ending: &[Ending],
    at: DateTime<Utc>,
) -> Result<BTreeSet<MemberId>, Failure> {
    let new = sqlx::query_scalar!(
        "insert into reminder (expires_on, days, member_id, told_at) select $1, $2, u.member_id, $4 from unnest($3::uuid[]) u(member_id)
         on conflict do nothing returning member_id",
        on,
        i32::try_from(days).unwrap_or(i32::MAX),
        &ending.iter().map(|ending| ending.member_id.0).collect::<Vec<_>>(),
        at
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().map(MemberId).collect())
}

/// Forgets reminders of days that are over, so many at most; gives how many.
pub async fn forget_reminders(tx: &mut PgConnection, before: NaiveDate, most: i64) -> Result<u64, Failure> {
    let done = sqlx::query!(
        "delete from reminder where ctid = any(array(select ctid from reminder where expires_on < $1 order by expires_on limit $2))",
        before,
        most
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}
