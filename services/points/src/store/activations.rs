//! Who is activated, and what waits for it. Read and changed under the accounts' locks: whoever posts sees an activation, or
//! the activation sees what was posted.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use super::accruals::DocumentKey;
use crate::{domain::lots::LotPart, jobs::Part};

/// Claims activations, in the order of `members`; gives back those that were not known before.
pub async fn claim(tx: &mut PgConnection, members: &BTreeMap<MemberId, DateTime<Utc>>) -> Result<BTreeSet<MemberId>, Failure> {
    let new = sqlx::query_scalar!(
        "insert into activation (member_id, activated_at) select * from unnest($1::uuid[], $2::timestamptz[])
         on conflict do nothing returning member_id",
        &members.keys().map(|member| member.0).collect::<Vec<_>>(),
        &members.values().copied().collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().map(MemberId).collect())
}

/// Which of these members are activated. Asks nothing for nobody.
pub async fn load(tx: &mut PgConnection, members: &BTreeSet<MemberId>) -> Result<BTreeSet<MemberId>, Failure> {
    if members.is_empty() {
        return Ok(BTreeSet::new());
    }
    let members: Vec<Uuid> = members.iter().map(|member| member.0).collect();
    let known = sqlx::query_scalar!("select member_id from activation where member_id = any($1)", &members).fetch_all(tx).await?;
    Ok(known.into_iter().map(MemberId).collect())
}

/// Points that waited together.
pub struct PendingLot {
    /// Whose.
    pub member_id: MemberId,
    /// Its key.
    pub lot_id: Uuid,
    /// The funding store.
    pub store: String,
    /// What kind of document, as in the ledger: nothing for an invoice.
    pub source: Option<String>,
    /// The document.
    pub document: String,
    /// How many.
    pub points: Points,
    /// How many of them are left: a debt is repaid first.
    pub remaining: Points,
    /// Its last day.
    pub expires_on: NaiveDate,
    /// The local day of what earned it.
    pub business_date: NaiveDate,
    /// The day that it waits for besides.
    pub until: Option<NaiveDate>,
    /// Somebody is to look at it besides.
    pub awaits_review: bool,
}

impl PendingLot {
    /// Its document, and its key.
    pub fn key(&self) -> (DocumentKey, Uuid) {
        ((self.store.clone(), self.document.clone()), self.lot_id)
    }

    /// As it will be when it is spendable.
    pub fn part(&self) -> Result<LotPart, BadRow> {
        let bad = |_| BadRow { table: "pending_lot", key: self.lot_id.to_string(), what: "store" };
        let store = StoreCode::try_new(self.store.as_str()).map_err(bad)?;
        Ok(LotPart { lot_id: self.lot_id, store, document: self.document.clone(), expires_on: self.expires_on, points: self.remaining })
    }
}

struct Row {
    member_id: Uuid,
    lot_id: Uuid,
    store: String,
    source: Option<String>,
    document: String,
    points: i64,
    expires_on: NaiveDate,
    business_date: NaiveDate,
    until: Option<NaiveDate>,
    awaits_review: bool,
}

impl From<Row> for PendingLot {
    fn from(row: Row) -> Self {
        Self {
            member_id: MemberId(row.member_id),
            lot_id: row.lot_id,
            store: row.store,
            source: row.source,
            document: row.document,
            points: Points(row.points),
            remaining: Points(row.points),
            expires_on: row.expires_on,
            business_date: row.business_date,
            until: row.until,
            awaits_review: row.awaits_review,
        }
    }
}

/// Takes the lots of locked members that aren't activated, those of business dates up to `up_to`.
pub async fn take_lapsing(tx: &mut PgConnection, members: &[MemberId], up_to: NaiveDate) -> Result<Vec<PendingLot>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "delete from pending_lot where member_id = any($1) and business_date <= $2 and awaits_activation
         returning member_id, lot_id, store, source, document, points, expires_on, business_date, until, awaits_review",
        &members.iter().map(|member| member.0).collect::<Vec<_>>(),
        up_to,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(PendingLot::from).collect())
}

/// Takes the lots of locked members, activated now, that wait for nothing else; the others wait on.
pub async fn take_activated(tx: &mut PgConnection, members: &[MemberId], today: NaiveDate) -> Result<Vec<PendingLot>, Failure> {
    let members: Vec<Uuid> = members.iter().map(|member| member.0).collect();
    sqlx::query!("update pending_lot set awaits_activation = false where member_id = any($1)", &members).execute(&mut *tx).await?;
    take_due(tx, &members, today).await
}

/// Takes the lots of locked members that wait for nothing any longer on a day.
pub async fn take_due(tx: &mut PgConnection, members: &[Uuid], today: NaiveDate) -> Result<Vec<PendingLot>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "delete from pending_lot
         where member_id = any($1) and not awaits_activation and not awaits_review and (until is null or until <= $2)
         returning member_id, lot_id, store, source, document, points, expires_on, business_date, until, awaits_review",
        members,
        today,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(PendingLot::from).collect())
}

/// A place in the order of days: the day, the member.
pub type Place = (NaiveDate, Uuid);

/// The next lots that wait for nothing but a day up to `day`: each place stands as often as it has lots.
pub async fn list_due(tx: &mut PgConnection, day: NaiveDate, behind: Place, part: Part) -> Result<Vec<Place>, Failure> {
    let rows = sqlx::query!(
        r#"select until as "until!", member_id from pending_lot
           where not awaits_activation and not awaits_review and until <= $1 and (until, member_id) > ($2, $3)
           order by until, member_id limit $4 offset $5"#,
        day,
        behind.0,
        behind.1,
        part.limit,
        part.offset
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.until, row.member_id)).collect())
}

/// Lots that were pending are spendable now.
pub async fn save_lots(tx: &mut PgConnection, lots: &[PendingLot], at: DateTime<Utc>) -> Result<(), Failure> {
    let each = || lots.iter();
    sqlx::query!(
        "insert into lot (member_id, lot_id, store, document, points, remaining, expires_on, created_at)
         select u.*, $8 from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::date[]) u",
        &each().map(|lot| lot.member_id.0).collect::<Vec<_>>(),
        &each().map(|lot| lot.lot_id).collect::<Vec<_>>(),
        &each().map(|lot| lot.store.clone()).collect::<Vec<_>>(),
        &each().map(|lot| lot.document.clone()).collect::<Vec<_>>(),
        &each().map(|lot| lot.points.0).collect::<Vec<_>>(),
        &each().map(|lot| lot.remaining.0).collect::<Vec<_>>(),
        &each().map(|lot| lot.expires_on).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A first spending that another invoice keeps alive waits on, as long as that one does.
pub async fn keep_waiting(tx: &mut PgConnection, kept: &[(&PendingLot, Points)], lapsed_up_to: NaiveDate) -> Result<(), Failure> {
    let each = || kept.iter().map(|(lot, _)| lot);
    sqlx::query!(
        "insert into pending_lot (member_id, lot_id, store, document, points, expires_on, until, awaits_review, source, business_date,
                                  created_at)
         select u.*, greatest((select max(a.business_date) from accrual a
                               where a.member_id = u.member_id and a.awaiting and not coalesce((a.net -> 'net' -> 'lapsed')::boolean, false)),
                              $10::date + 1), now()
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::date[], $7::date[], $8::bool[],
                     $9::text[]) u(member_id, lot_id, store, document, points, expires_on, until, awaits_review, source)",
        &each().map(|lot| lot.member_id.0).collect::<Vec<_>>(),
        &each().map(|lot| lot.lot_id).collect::<Vec<_>>(),
        &each().map(|lot| lot.store.clone()).collect::<Vec<_>>(),
        &each().map(|lot| lot.document.clone()).collect::<Vec<_>>(),
        &kept.iter().map(|(_, points)| points.0).collect::<Vec<_>>(),
        &each().map(|lot| lot.expires_on).collect::<Vec<_>>(),
        &each().map(|lot| lot.until).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &each().map(|lot| lot.awaits_review).collect::<Vec<_>>(),
        &each().map(|lot| lot.source.clone()).collect::<Vec<_>>() as &[Option<String>],
        lapsed_up_to,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The invoices of these members that were posted before an activation and lapse now, without locks: also those that gave nothing.
pub async fn list_lapsing_invoices(tx: &mut PgConnection, members: &[MemberId], up_to: NaiveDate) -> Result<Vec<DocumentKey>, Failure> {
    let rows = sqlx::query!(
        "select store, document from accrual
         where member_id = any($1) and awaiting and business_date <= $2 and not coalesce((net -> 'net' -> 'lapsed')::boolean, false)",
        &members.iter().map(|member| member.0).collect::<Vec<_>>(),
        up_to,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.store, row.document)).collect())
}

/// Members with pending lots of business dates up to `up_to`, with their numbers.
pub async fn list_lapsing(tx: &mut PgConnection, up_to: NaiveDate, part: Part) -> Result<BTreeMap<MemberId, String>, Failure> {
    let rows = sqlx::query!(
        "select distinct p.member_id, a.member_no from pending_lot p join account a using (member_id)
         where p.business_date <= $1 and p.awaits_activation order by p.member_id limit $2 offset $3",
        up_to,
        part.limit,
        part.offset
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (MemberId(row.member_id), row.member_no)).collect())
}
