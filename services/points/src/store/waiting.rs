//! Interactions that wait for their order, and what invoices tell of an accrual that rests on them.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::InteractionRecorded;
use jifen_kernel::MemberId;
use jifen_runtime::{Failure, message::Cause};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::accruals::DocumentKey;
use crate::{domain::interaction::Order, jobs::Part};

/// An interaction that waits for its order.
pub struct Waiting {
    /// Its event.
    pub event: InteractionRecorded,
    /// The event's own id.
    pub event_id: Uuid,
    /// What its effects inherit.
    pub cause: Cause,
}

/// Lets interactions wait, in the order of their keys; those that wait already go on.
pub async fn save_waiting(
    tx: &mut PgConnection,
    waiting: &[(&InteractionRecorded, &str, Uuid, &Cause)],
    since: DateTime<Utc>,
) -> Result<(), Failure> {
    let each = || waiting.iter();
    sqlx::query!(
        "insert into waiting_interaction (store, document, about, business_date, event, event_id, correlation, traceparent, waiting_since)
         select u.*, $9 from unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::jsonb[], $6::uuid[], $7::text[], $8::text[]) u
         on conflict do nothing",
        &each().map(|(event, ..)| event.store.to_string()).collect::<Vec<_>>(),
        &each().map(|(event, ..)| event.interaction_no.clone()).collect::<Vec<_>>(),
        &each().map(|(_, about, ..)| (*about).to_owned()).collect::<Vec<_>>(),
        &each().map(|(event, ..)| event.business_date).collect::<Vec<_>>(),
        &each().map(|(event, ..)| Json(*event)).collect::<Vec<_>>() as &[Json<&InteractionRecorded>],
        &each().map(|(_, _, id, _)| *id).collect::<Vec<_>>(),
        &each().map(|(.., cause)| cause.correlation.clone()).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|(.., cause)| cause.trace.map(|trace| trace.to_string())).collect::<Vec<_>>() as &[Option<String>],
        since,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Interactions whose order was posted meanwhile, or which have waited since before `given_up`; the longest waiting first.
pub async fn list_ready(tx: &mut PgConnection, given_up: NaiveDate, part: Part) -> Result<Vec<Waiting>, Failure> {
    let rows = sqlx::query!(
        r#"select event as "event: Json<InteractionRecorded>", event_id, correlation, traceparent from waiting_interaction w
           where business_date < $1 or exists (select 1 from accrual a where a.store = w.store and a.document = w.about)
           order by waiting_since, store, document limit $2 offset $3"#,
        given_up,
        part.limit,
        part.offset
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| Waiting {
        cause: Cause::of_event(row.event_id, row.correlation.as_deref(), row.traceparent.as_deref()),
        event: row.event.0,
        event_id: row.event_id,
    });
    Ok(read.collect())
}

/// They wait no longer.
pub async fn delete_waiting(tx: &mut PgConnection, keys: &[DocumentKey]) -> Result<(), Failure> {
    sqlx::query!(
        "delete from waiting_interaction where (store, document) in (select * from unnest($1::text[], $2::text[]))",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Those of these invoices whose member wasn't activated, as far as was known.
pub async fn load_awaiting(tx: &mut PgConnection, keys: &BTreeSet<DocumentKey>) -> Result<BTreeSet<DocumentKey>, Failure> {
    if keys.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = sqlx::query!(
        "select store, document from accrual where (store, document) in (select * from unnest($1::text[], $2::text[])) and awaiting",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.store, row.document)).collect())
}

/// Orders of these keys that are posted.
pub type Orders = HashMap<DocumentKey, Order>;

/// The orders among these documents that are posted.
pub async fn load_orders(tx: &mut PgConnection, keys: &BTreeSet<DocumentKey>) -> Result<Orders, Failure> {
    if keys.is_empty() {
        return Ok(Orders::new());
    }
    let rows = sqlx::query!(
        "select store, document, member_id, business_date from accrual
         where (store, document) in (select * from unnest($1::text[], $2::text[]))",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let order = Order { member_id: MemberId(row.member_id), business_date: row.business_date };
        ((row.store, row.document), order)
    });
    Ok(read.collect())
}
