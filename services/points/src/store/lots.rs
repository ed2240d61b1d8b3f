//! Lots of locked accounts.

use std::collections::BTreeMap;

use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
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
