//! Claims of corrections, and what they find of the invoice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{CategoryBase, CorrectionKind, InvoiceRefunded, InvoiceVoided, KeyedHash, RefundedLine};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure, message::Cause};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::accruals::DocumentKey;
use crate::{
    domain::{
        correct::Keep,
        net::{Correcting, Net, Posted, Refunded},
    },
    jobs::Part,
};

/// A correction's key: store, kind, number.
pub type CorrectionKey = (String, CorrectionKind, String);

/// What ingest says of an invoice that is corrected.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Some of it was paid back.
    Refund(Box<InvoiceRefunded>),
    /// It counts no longer.
    Void(InvoiceVoided),
}

impl Correction {
    /// Why.
    pub fn kind(&self) -> CorrectionKind {
        match self {
            Self::Refund(_) => CorrectionKind::Refund,
            Self::Void(void) if void.replaced => CorrectionKind::Replacement,
            Self::Void(_) => CorrectionKind::Void,
        }
    }

    /// Its number.
    pub fn number(&self) -> &str {
        match self {
            Self::Refund(refund) => &refund.refund_no,
            Self::Void(void) => &void.void_no,
        }
    }

    /// Its claim.
    pub fn key(&self) -> CorrectionKey {
        let store = match self {
            Self::Refund(refund) => &refund.store,
            Self::Void(void) => &void.store,
        };
        (store.to_string(), self.kind(), self.number().to_owned())
    }

    /// The invoice.
    pub fn document(&self) -> DocumentKey {
        match self {
            Self::Refund(refund) => (refund.store.to_string(), refund.invoice_no.clone()),
            Self::Void(void) => (void.store.to_string(), void.invoice_no.clone()),
        }
    }

    /// The rules that the invoice earned under.
    pub fn program_version(&self) -> u32 {
        match self {
            Self::Refund(refund) => refund.program_version,
            Self::Void(void) => void.program_version,
        }
    }

    fn refunded(&self) -> &[RefundedLine] {
        match self {
            Self::Refund(refund) => &refund.refunded,
            Self::Void(_) => &[],
        }
    }
}

/// A correction, and what its effects inherit.
pub struct Caused {
    /// The correction.
    pub correction: Correction,
    /// The event's own id.
    pub event_id: Uuid,
    /// What its effects inherit.
    pub cause: Cause,
}

/// Which of these invoices are posted.
pub async fn load_posted(tx: &mut PgConnection, keys: &[DocumentKey]) -> Result<BTreeSet<DocumentKey>, Failure> {
    let rows = sqlx::query!(
        "select store, document from accrual where (store, document) in (select * from unnest($1::text[], $2::text[]))",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.store, row.document)).collect())
}

/// Claims corrections, which must be sorted by key and stand there once; those of invoices that are not `posted` wait with
/// their event. Gives back those that were not claimed before.
pub async fn claim(
    tx: &mut PgConnection,
    all: &[&Caused],
    posted: &BTreeSet<DocumentKey>,
    at: DateTime<Utc>,
) -> Result<BTreeSet<(String, String, String)>, Failure> {
    let each = || all.iter().map(|caused| &caused.correction);
    let waits = || all.iter().map(|caused| !posted.contains(&caused.correction.document()));
    let rows = sqlx::query!(
        "insert into correction (store, kind, number, document, refunded, event, event_id, correlation, traceparent, applied_at, claimed_at)
         select u.*, case when u.event_id is null then $10::timestamptz end, $10
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::uuid[], $8::text[], $9::text[])
              u(store, kind, number, document, refunded, event, event_id, correlation, traceparent)
         on conflict do nothing returning store, kind, number",
        &each().map(|one| one.key().0).collect::<Vec<_>>(),
        &each().map(|one| one.kind().as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|one| one.number().to_owned()).collect::<Vec<_>>(),
        &each().map(|one| one.document().1).collect::<Vec<_>>(),
        &each().map(|one| Json(one.refunded())).collect::<Vec<_>>() as &[Json<&[RefundedLine]>],
        &all.iter().zip(waits()).map(|(one, waits)| waits.then_some(Json(&one.correction))).collect::<Vec<_>>()
            as &[Option<Json<&Correction>>],
        &all.iter().zip(waits()).map(|(one, waits)| waits.then_some(one.event_id)).collect::<Vec<_>>() as &[Option<Uuid>],
        &all.iter().zip(waits()).map(|(one, waits)| one.cause.correlation.clone().filter(|_| waits)).collect::<Vec<_>>()
            as &[Option<String>],
        &all.iter().zip(waits()).map(|(one, waits)| one.cause.trace.filter(|_| waits).map(|trace| trace.to_string())).collect::<Vec<_>>()
            as &[Option<String>],
        at,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.store, row.kind, row.number)).collect())
}

/// Corrections whose invoice was posted meanwhile, the longest waiting first; locked.
pub async fn list_ready(tx: &mut PgConnection, part: Part) -> Result<Vec<Caused>, Failure> {
    let rows = sqlx::query!(
        r#"select event as "event!: Json<Correction>", event_id as "event_id!", correlation, traceparent from correction c
           where applied_at is null and exists (select 1 from accrual a where a.store = c.store and a.document = c.document)
           order by claimed_at, store, kind, number limit $1 offset $2 for update"#,
        part.limit,
        part.offset
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| Caused {
        cause: Cause::of_event(row.event_id, row.correlation.as_deref(), row.traceparent.as_deref()),
        correction: row.event.0,
        event_id: row.event_id,
    });
    Ok(read.collect())
}

/// They wait no longer.
pub async fn save_applied(tx: &mut PgConnection, keys: &[CorrectionKey], at: DateTime<Utc>) -> Result<(), Failure> {
    sqlx::query!(
        "update correction set applied_at = $4, event = null, event_id = null, correlation = null, traceparent = null
         where (store, kind, number) in (select * from unnest($1::text[], $2::text[], $3::text[]))",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.as_str().to_owned()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.2.clone()).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What was corrected of an invoice before.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// Refunds by line.
    pub refunded: Refunded,
    /// It counts no longer.
    pub is_void: bool,
}

/// What earlier corrections say of invoices: all but `these`, which this batch applies.
pub async fn load_earlier(
    tx: &mut PgConnection,
    documents: &[DocumentKey],
    these: &BTreeSet<(String, String, String)>,
) -> Result<HashMap<DocumentKey, Earlier>, Failure> {
    let rows = sqlx::query!(
        r#"select store, kind, number, document, refunded as "refunded: Json<Vec<RefundedLine>>" from correction
           where (store, document) in (select * from unnest($1::text[], $2::text[])) and applied_at is not null"#,
        &documents.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &documents.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let mut earlier: HashMap<DocumentKey, Earlier> = HashMap::new();
    for row in rows {
        let is_refund = row.kind == CorrectionKind::Refund.as_str();
        if these.contains(&(row.store.clone(), row.kind, row.number)) {
            continue;
        }
        let found = earlier.entry((row.store, row.document)).or_default();
        found.is_void |= !is_refund;
        for line in row.refunded.0 {
            *found.refunded.entry(line.line).or_default() += line.amount;
        }
    }
    Ok(earlier)
}

/// What corrections have left of an invoice, as kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Left {
    /// What is left.
    pub net: Net,
    /// The last correction.
    pub by: Correcting,
}

/// An invoice's accrual that is corrected.
pub struct Standing {
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Its store.
    pub store: StoreCode,
    /// Its number.
    pub document: String,
    /// Its local day.
    pub business_date: NaiveDate,
    /// The rules that it earned under.
    pub program_version: u32,
    /// The vehicle, hashed.
    pub vehicle: Option<KeyedHash>,
    /// As posted.
    pub posted: Posted,
    /// What corrections have left, if there were any.
    pub left: Option<Left>,
    /// Of its fixed bonuses.
    pub keep: Vec<Keep>,
}

/// Locks accruals in the order of their keys.
pub async fn load_standing(tx: &mut PgConnection, keys: &[DocumentKey]) -> Result<BTreeMap<DocumentKey, Standing>, Failure> {
    let rows = sqlx::query!(
        r#"select store, document, member_id, member_no, business_date, program_version, vehicle, visit, paid_visit, daily_left,
                  categories as "categories: Json<Vec<CategoryBase>>", net as "net: Json<Left>", keep as "keep: Json<Vec<Keep>>"
           from accrual where (store, document) in (select * from unnest($1::text[], $2::text[]))
           order by store, document for update"#,
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = |what| BadRow { table: "accrual", key: format!("{}/{}", row.store, row.document), what };
        let standing = Standing {
            member_id: MemberId(row.member_id),
            member_no: row.member_no,
            store: StoreCode::try_new(row.store.as_str()).map_err(|_| bad("store"))?,
            document: row.document.clone(),
            business_date: row.business_date,
            program_version: u32::try_from(row.program_version).map_err(|_| bad("program_version"))?,
            vehicle: row.vehicle.map(KeyedHash),
            posted: Posted {
                categories: row.categories.0,
                daily_left: row.daily_left.map(Points),
                visit: row.visit,
                paid_visit: row.paid_visit,
            },
            left: row.net.map(|net| net.0),
            keep: row.keep.map(|keep| keep.0).unwrap_or_default(),
        };
        Ok(((row.store, row.document), standing))
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// What is left of locked accruals.
pub async fn save_left(tx: &mut PgConnection, left: &[(DocumentKey, Left)]) -> Result<(), Failure> {
    sqlx::query!(
        "update accrual a set net = u.net from unnest($1::text[], $2::text[], $3::jsonb[]) u(store, document, net)
         where (a.store, a.document) in (select * from unnest($1::text[], $2::text[])) and a.store = u.store and a.document = u.document",
        &left.iter().map(|(key, _)| key.0.clone()).collect::<Vec<_>>(),
        &left.iter().map(|(key, _)| key.1.clone()).collect::<Vec<_>>(),
        &left.iter().map(|(_, left)| Json(left)).collect::<Vec<_>>() as &[Json<&Left>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// From which paid amounts the fixed bonuses of locked accruals stay. Asks nothing if there are none.
pub async fn save_keep(tx: &mut PgConnection, keep: &[(DocumentKey, Vec<Keep>)]) -> Result<(), Failure> {
    if keep.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update accrual a set keep = u.keep from unnest($1::text[], $2::text[], $3::jsonb[]) u(store, document, keep)
         where (a.store, a.document) in (select * from unnest($1::text[], $2::text[])) and a.store = u.store and a.document = u.document",
        &keep.iter().map(|(key, _)| key.0.clone()).collect::<Vec<_>>(),
        &keep.iter().map(|(key, _)| key.1.clone()).collect::<Vec<_>>(),
        &keep.iter().map(|(_, keep)| Json(keep)).collect::<Vec<_>>() as &[Json<&Vec<Keep>>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What corrections have left of a member's invoice, and from which amounts its fixed bonuses stay; `None` if there were none.
pub async fn find_left(tx: &mut PgConnection, member_id: MemberId, key: &DocumentKey) -> Result<Option<(Left, Vec<Keep>)>, Failure> {
    let row = sqlx::query!(
        r#"select net as "net: Json<Left>", keep as "keep: Json<Vec<Keep>>" from accrual
           where store = $1 and document = $2 and member_id = $3"#,
        key.0,
        key.1,
        member_id.0
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.and_then(|row| Some((row.net?.0, row.keep.map(|keep| keep.0).unwrap_or_default()))))
}
