//! Lots of locked accounts.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::lots::{LotPart, Lots};

/// The lots of locked accounts that hold points, and these others.
pub async fn load(tx: &mut PgConnection, members: &[MemberId], others: &[Uuid]) -> Result<BTreeMap<MemberId, Lots>, Failure> {
    let rows = sqlx::query!(
        // Members' live lots by their index, and the others by their key: one condition for both would read all that ever was.
        "select member_id, lot_id, store, document, remaining, expires_on from lot where member_id = any($1) and remaining > 0
         union all
         select member_id, lot_id, store, document, remaining, expires_on from lot
         where member_id = any($1) and lot_id = any($2) and remaining = 0",
        &members.iter().map(|member| member.0).collect::<Vec<_>>(),
        others,
    )
    .fetch_all(tx)
    .await?;
    let mut lots: BTreeMap<MemberId, Vec<LotPart>> = members.iter().map(|member| (*member, Vec::new())).collect();
    for row in
        rows.into_iter().filter_map(|row| Some((row.member_id?, row.lot_id?, row.store?, row.document?, row.remaining?, row.expires_on?)))
    {
        let (member_id, lot_id, store, document, remaining, expires_on) = row;
        let store = StoreCode::try_new(store.as_str()).map_err(|_| BadRow { table: "lot", key: lot_id.to_string(), what: "store" })?;
        let part = LotPart { lot_id, store, document, expires_on, points: Points(remaining) };
        lots.entry(MemberId(member_id)).or_default().push(part);
    }
    Ok(lots.into_iter().map(|(member, lots)| (member, Lots::new(lots))).collect())
}

/// What a member may spend on a day: lots whose last day is over are spent no longer, also before the daily job has ended them.
pub async fn sum_live(pool: &PgPool, member_id: MemberId, day: NaiveDate) -> Result<Points, Failure> {
    let live = sqlx::query_scalar!(
        r#"select coalesce(sum(remaining), 0)::bigint as "live!" from lot where member_id = $1 and remaining > 0 and expires_on >= $2"#,
        member_id.0,
        day
    )
    .fetch_one(pool)
    .await?;
    Ok(Points(live))
}

/// Writes what is left of the lots that changed. Asks nothing if none did.
pub async fn save(tx: &mut PgConnection, lots: &BTreeMap<MemberId, Lots>) -> Result<(), Failure> {
    let changed: Vec<_> = lots.iter().flat_map(|(member, lots)| lots.changed().map(|(lot, left)| (member.0, lot, left.0))).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let members: Vec<Uuid> = changed.iter().map(|(member, ..)| *member).collect();
    let ids: Vec<Uuid> = changed.iter().map(|(_, lot, _)| *lot).collect();
    sqlx::query!(
        "update lot l set remaining = u.remaining from unnest($1::uuid[], $2::uuid[], $3::bigint[]) u(member_id, lot_id, remaining)
         where l.member_id = any($1) and l.lot_id = any($2) and l.member_id = u.member_id and l.lot_id = u.lot_id",
        &members,
        &ids,
        &changed.iter().map(|(.., left)| *left).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps which lots these lots of locked accounts were made for, whose end was over: the first one, where that was such a lot, too.
pub async fn keep_graces(tx: &mut PgConnection, graces: &[(MemberId, Uuid, Uuid)]) -> Result<(), Failure> {
    if graces.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into grace_lot (member_id, lot_id, of_lot)
         select u.member_id, u.lot_id,
                coalesce((select g.of_lot from grace_lot g where g.member_id = u.member_id and g.lot_id = u.of_lot), u.of_lot)
         from unnest($1::uuid[], $2::uuid[], $3::uuid[]) u(member_id, lot_id, of_lot)",
        &graces.iter().map(|(member, ..)| member.0).collect::<Vec<_>>(),
        &graces.iter().map(|(_, lot, _)| *lot).collect::<Vec<_>>(),
        &graces.iter().map(|(.., of)| *of).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes lots that were made beside a posting: so many points each, and what is left of them now. Asks nothing if there are none.
pub async fn insert(
    tx: &mut PgConnection,
    new: &[(MemberId, LotPart)],
    lots: &BTreeMap<MemberId, Lots>,
    at: DateTime<Utc>,
) -> Result<(), Failure> {
    if new.is_empty() {
        return Ok(());
    }
    let left = |(member, lot): &(MemberId, LotPart)| lots.get(member).and_then(|lots| lots.find(lot.lot_id)).map_or(0, |lot| lot.points.0);
    sqlx::query!(
        "insert into lot (member_id, lot_id, store, document, points, remaining, expires_on, created_at)
         select u.*, $8 from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::date[]) u",
        &new.iter().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &new.iter().map(|(_, lot)| lot.lot_id).collect::<Vec<_>>(),
        &new.iter().map(|(_, lot)| lot.store.to_string()).collect::<Vec<_>>(),
        &new.iter().map(|(_, lot)| lot.document.clone()).collect::<Vec<_>>(),
        &new.iter().map(|(_, lot)| lot.points.0).collect::<Vec<_>>(),
        &new.iter().map(left).collect::<Vec<_>>(),
        &new.iter().map(|(_, lot)| lot.expires_on).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
