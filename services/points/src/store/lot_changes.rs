//! What moved the ends of lots: kept with the day before and after. Written under the account's lock.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::endpoint::{ChangedLot, KeptChange, ListedLot, LotChangeKind};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::lots::LotPart;

/// An activity that extends whatever lives.
#[derive(Debug, Clone)]
pub struct Slide {
    /// Whose.
    pub member_id: MemberId,
    /// The document's store.
    pub store: StoreCode,
    /// The document.
    pub document: String,
    /// Its local day: what had ended before stays so.
    pub day: NaiveDate,
    /// Everything lives until then.
    pub until: NaiveDate,
}

/// Extends the live lots of locked accounts: one activity a member, the last one.
pub async fn slide(tx: &mut PgConnection, slides: &[Slide], at: DateTime<Utc>) -> Result<(), Failure> {
    let mut last: BTreeMap<MemberId, &Slide> = BTreeMap::new();
    for slide in slides {
        let found = last.entry(slide.member_id).or_insert(slide);
        if slide.until > found.until {
            *found = slide;
        }
    }
    let each = || last.values();
    sqlx::query!(
        "with moving as (
             select l.member_id, l.lot_id, l.expires_on as before, u.until as after, u.store, u.document
             from unnest($1::uuid[], $2::text[], $3::text[], $4::date[], $5::date[]) u(member_id, store, document, day, until)
                  cross join lateral (select * from lot l where l.member_id = u.member_id and l.remaining > 0
                                      and l.expires_on >= u.day and l.expires_on < u.until offset 0) l
         ), moved as (
             update lot l set expires_on = m.after from moving m where l.member_id = m.member_id and l.lot_id = m.lot_id
         )
         insert into lot_change (member_id, lot_id, kind, before, after, store, document, at)
         select member_id, lot_id, 'activity', before, after, store, document, $6 from moving",
        &each().map(|slide| slide.member_id.0).collect::<Vec<_>>(),
        &each().map(|slide| slide.store.to_string()).collect::<Vec<_>>(),
        &each().map(|slide| slide.document.clone()).collect::<Vec<_>>(),
        &each().map(|slide| slide.day).collect::<Vec<_>>(),
        &each().map(|slide| slide.until).collect::<Vec<_>>(),
        at,
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
    /// The lot.
    pub lot_id: Uuid,
    /// What moved it.
    pub kind: LotChangeKind,
    /// The last day before.
    pub before: NaiveDate,
    /// The last day after it.
    pub after: NaiveDate,
    /// What is added to what is left of it.
    pub added: Points,
    /// The document that brought it: store and number.
    pub document: Option<(String, String)>,
    /// Staff and their reason.
    pub staff: Option<(String, String)>,
}

/// Moves ends of lots of locked accounts and keeps that. Asks nothing for nothing.
pub async fn save(tx: &mut PgConnection, changes: &[NewChange], at: DateTime<Utc>) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    let each = || changes.iter();
    let members: Vec<Uuid> = each().map(|change| change.member_id.0).collect();
    let lots: Vec<Uuid> = each().map(|change| change.lot_id).collect();
    let after: Vec<NaiveDate> = each().map(|change| change.after).collect();
    sqlx::query!(
        "update lot l set expires_on = u.after, remaining = l.remaining + u.added
         from unnest($1::uuid[], $2::uuid[], $3::date[], $4::bigint[]) u(member_id, lot_id, after, added)
         where l.member_id = u.member_id and l.lot_id = u.lot_id",
        &members,
        &lots,
        &after,
        &each().map(|change| change.added.0).collect::<Vec<_>>(),
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into lot_change (member_id, lot_id, kind, before, after, store, document, by_staff, reason, at)
         select u.*, $10 from unnest($1::uuid[], $2::uuid[], $3::text[], $4::date[], $5::date[], $6::text[], $7::text[], $8::text[],
                                     $9::text[]) u",
        &members,
        &lots,
        &each().map(|change| change.kind.as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|change| change.before).collect::<Vec<_>>(),
        &after,
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
pub fn changed(change: &NewChange, points: Points) -> ChangedLot {
    ChangedLot { lot_id: change.lot_id, points, before: change.before, after: change.after }
}

/// Ends reviews of a document's pending points, of a locked account; gives how many points.
pub async fn release(tx: &mut PgConnection, member_id: MemberId, store: &str, document: &str) -> Result<Points, Failure> {
    let released = sqlx::query_scalar!(
        "update pending_lot set awaits_review = false
         where member_id = $1 and store = $2 and document = $3 and awaits_review returning points",
        member_id.0,
        store,
        document
    )
    .fetch_all(tx)
    .await?;
    Ok(released.into_iter().map(Points).sum())
}

/// Lots of a member that hold points, are pending, or were changed; the one that ends first in front.
pub async fn list(pool: &PgPool, member_id: MemberId, most: i64) -> Result<Vec<ListedLot>, Failure> {
    let rows = sqlx::query!(
        r#"select lot_id as "lot_id!", store as "store!", document as "document!", points as "points!", remaining as "remaining!",
                  expires_on as "expires_on!", pending as "pending!", until, review as "review!"
           from (select lot_id, store, document, points, remaining, expires_on, false as pending, null::date as until, false as review
                 from lot l where member_id = $1
                   and (remaining > 0 or exists (select 1 from lot_change c where c.member_id = $1 and c.lot_id = l.lot_id))
                 union all
                 select lot_id, store, document, points, points, expires_on, true, until, awaits_review
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
    let listed = rows.into_iter().map(|row| ListedLot {
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
    });
    Ok(listed.collect())
}
