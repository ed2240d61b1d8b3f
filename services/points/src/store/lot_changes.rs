//! What moved the ends of lots: kept with the day before and after. Written under the account's lock.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::endpoint::{ChangedLot, KeptChange, ListedLot, LotChangeKind};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::entries::source_of;
use crate::domain::{
    activity::{LiveLot, MovedEnd},
    lots::LotPart,
};

/// Lots that end with the rest of their members', of locked accounts: those that hold points, and of `holding` those whose points are
/// held just then.
pub async fn load_live(tx: &mut PgConnection, members: &[Uuid], holding: &[Uuid]) -> Result<BTreeMap<MemberId, Vec<LiveLot>>, Failure> {
    let rows = sqlx::query!(
        r#"select l.member_id as "member_id!", l.lot_id as "lot_id!", l.expires_on as "expires_on!"
           from (select member_id, lot_id, expires_on from lot where member_id = any($1) and remaining > 0
                 union
                 select l.member_id, l.lot_id, l.expires_on
                 from hold h
                      cross join lateral (select lot_id from entry e
                                          where e.store = h.store and e.document = h.hold_id::text and e.kind = 'hold'
                                            and e.member_id = h.member_id offset 0) e
                      cross join lateral (select * from lot l where l.member_id = h.member_id and l.lot_id = e.lot_id offset 0) l
                 where h.member_id = any($2) and h.state = 'open') l
           where not exists (select 1 from own_end o where o.member_id = l.member_id and o.lot_id = l.lot_id)
             and not exists (select 1 from lot_change c where c.member_id = l.member_id and c.lot_id = l.lot_id and c.kind = 'revival')
           order by 1, 3, 2"#,
        members,
        holding
    )
    .fetch_all(tx)
    .await?;
    let mut live: BTreeMap<MemberId, Vec<LiveLot>> = BTreeMap::new();
    for row in rows {
        live.entry(MemberId(row.member_id)).or_default().push(LiveLot { lot_id: row.lot_id, expires_on: row.expires_on });
    }
    Ok(live)
}

/// No activity moves the ends of these lots. Asks nothing for nothing.
pub async fn keep_own_ends(tx: &mut PgConnection, lots: &[(MemberId, Uuid)]) -> Result<(), Failure> {
    if lots.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into own_end (member_id, lot_id) select * from unnest($1::uuid[], $2::uuid[])",
        &lots.iter().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &lots.iter().map(|(_, lot)| *lot).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What ended unspent of locked accounts since `from` and never lived again, by member, with what ended.
pub async fn load_ended(tx: &mut PgConnection, members: &[Uuid], from: NaiveDate) -> Result<BTreeMap<MemberId, Vec<LotPart>>, Failure> {
    let rows = sqlx::query!(
        // Member by member, on the index of their chains.
        r#"select l.member_id, l.lot_id, l.store, l.document, l.expires_on, e.ended as "ended!"
           from unnest($1::uuid[]) m(member_id)
                cross join lateral (select lot_id, sum(case when credit = 'expired' then points else -points end)::bigint as ended
                                    from entry where member_id = m.member_id and 'expired' in (credit, debit) group by lot_id offset 0) e
                join lot l on l.member_id = m.member_id and l.lot_id = e.lot_id
           where e.ended > 0 and l.expires_on >= $2
             and not exists (select 1 from lot_change c where c.member_id = l.member_id and c.lot_id = l.lot_id and c.kind = 'revival')
           order by l.member_id, l.expires_on, l.lot_id"#,
        members,
        from
    )
    .fetch_all(tx)
    .await?;
    let mut ended: BTreeMap<MemberId, Vec<LotPart>> = BTreeMap::new();
    for row in rows {
        let bad = |_| BadRow { table: "lot", key: row.lot_id.to_string(), what: "store" };
        let store = StoreCode::try_new(row.store.as_str()).map_err(bad)?;
        let part = LotPart { lot_id: row.lot_id, store, document: row.document, expires_on: row.expires_on, points: Points(row.ended) };
        ended.entry(MemberId(row.member_id)).or_default().push(part);
    }
    Ok(ended)
}

/// A change that is to be kept.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// Whose.
    pub member_id: MemberId,
    /// The end.
    pub moved: MovedEnd,
    /// The document that brought it: store and number.
    pub document: Option<(String, String)>,
    /// Staff and their reason.
    pub staff: Option<(String, String)>,
}

/// Moves ends of lots of locked accounts and keeps that; of a lot that is moved several times the last one counts. Asks nothing for
/// nothing.
pub async fn save(tx: &mut PgConnection, changes: &[NewChange], at: DateTime<Utc>) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut lots: BTreeMap<(MemberId, Uuid), (NaiveDate, Points)> = BTreeMap::new();
    for change in changes {
        let moved = &change.moved;
        let (after, added) = lots.entry((change.member_id, moved.lot_id)).or_insert((moved.after, Points::ZERO));
        (*after, *added) = (moved.after, *added + moved.added);
    }
    let each = || changes.iter();
    // In one statement: bills pay for it.
    sqlx::query!(
        "with moved as (
             update lot l set expires_on = u.after, remaining = l.remaining + u.added
             from unnest($1::uuid[], $2::uuid[], $3::date[], $4::bigint[]) u(member_id, lot_id, after, added)
             where l.member_id = any($1) and l.lot_id = any($2) and l.member_id = u.member_id and l.lot_id = u.lot_id
         )
         insert into lot_change (member_id, lot_id, kind, before, after, store, document, by_staff, reason, at)
         select u.member_id, u.lot_id, u.kind, u.before, u.after, u.store, u.document, u.by_staff, u.reason, $14
         from unnest($5::uuid[], $6::uuid[], $7::text[], $8::date[], $9::date[], $10::text[], $11::text[], $12::text[], $13::text[])
              with ordinality u(member_id, lot_id, kind, before, after, store, document, by_staff, reason, place) order by u.place",
        &lots.keys().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &lots.keys().map(|(_, lot)| *lot).collect::<Vec<_>>(),
        &lots.values().map(|(after, _)| *after).collect::<Vec<_>>(),
        &lots.values().map(|(_, added)| added.0).collect::<Vec<_>>(),
        &each().map(|change| change.member_id.0).collect::<Vec<_>>(),
        &each().map(|change| change.moved.lot_id).collect::<Vec<_>>(),
        &each().map(|change| change.moved.kind.as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|change| change.moved.before).collect::<Vec<_>>(),
        &each().map(|change| change.moved.after).collect::<Vec<_>>(),
        &each().map(|change| change.document.as_ref().map(|(store, _)| store.clone())).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|change| change.document.as_ref().map(|(_, number)| number.clone())).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|change| change.staff.as_ref().map(|(by, _)| by.clone())).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|change| change.staff.as_ref().map(|(_, reason)| reason.clone())).collect::<Vec<_>>() as &[Option<String>],
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// As it is answered.
pub fn changed(moved: &MovedEnd, points: Points) -> ChangedLot {
    ChangedLot { lot_id: moved.lot_id, points, before: moved.before, after: moved.after }
}

/// Lots of a member that hold points, are pending, or were changed; the one that ends first in front.
pub async fn list(pool: &PgPool, member_id: MemberId, most: i64) -> Result<Vec<ListedLot>, Failure> {
    let rows = sqlx::query!(
        r#"select lot_id as "lot_id!", store as "store!", document as "document!", points as "points!", remaining as "remaining!",
                  expires_on as "expires_on!", pending as "pending!", until, review as "review!", source
           from (select lot_id, store, document, points, remaining, expires_on, false as pending, null::date as until, false as review,
                        null::text as source
                 from lot l where member_id = $1
                   and (remaining > 0 or exists (select 1 from lot_change c where c.member_id = $1 and c.lot_id = l.lot_id))
                 union all
                 select lot_id, store, document, points, points, expires_on, true, until, awaits_review, source
                 from pending_lot where member_id = $1) l
           order by expires_on, lot_id limit $2"#,
        member_id.0,
        most
    )
    .fetch_all(pool)
    .await?;
    let changes = sqlx::query!(
        "select lot_id, kind, before, after, store, document, by_staff, reason, at from lot_change where member_id = $1 order by number",
        member_id.0
    )
    .fetch_all(pool)
    .await?;
    let mut kept: BTreeMap<Uuid, Vec<KeptChange>> = BTreeMap::new();
    for row in changes {
        let kinds = [LotChangeKind::Activity, LotChangeKind::Extension, LotChangeKind::Revival];
        let bad = || BadRow { table: "lot_change", key: row.lot_id.to_string(), what: "kind" };
        let kind = kinds.into_iter().find(|kind| kind.as_str() == row.kind).ok_or_else(bad)?;
        let document = row.store.zip(row.document).map(|(store, number)| format!("{store}/{number}"));
        let change = KeptChange { kind, before: row.before, after: row.after, by: row.by_staff, reason: row.reason, document, at: row.at };
        kept.entry(row.lot_id).or_default().push(change);
    }
    let listed = rows.into_iter().map(|row| {
        let bad = || BadRow { table: "pending_lot", key: row.lot_id.to_string(), what: "source" };
        let source = row.pending.then(|| source_of(row.source.as_deref()).ok_or_else(bad)).transpose()?;
        Ok(ListedLot {
            source,
            changes: kept.remove(&row.lot_id).unwrap_or_default(),
            lot_id: row.lot_id,
            store: row.store,
            document: row.document,
            points: Points(row.points),
            remaining: Points(row.remaining),
            expires_on: row.expires_on,
            pending: row.pending,
            until: row.until,
            review: row.review,
        })
    });
    listed.collect::<Result<_, BadRow>>().map_err(Failure::from)
}
