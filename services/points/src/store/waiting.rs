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
    /// Its order was posted meanwhile, or it has waited long enough.
    pub ready: bool,
}

/// Lets interactions wait, in the order of their keys; those that wait already go on.
pub async fn save_waiting(
    tx: &mut PgConnection,
    waiting: &[(&InteractionRecorded, &str, Uuid, &Cause)],
    since: DateTime<Utc>,
) -> Result<(), Failure> {
    let each = || waiting.iter();
    sqlx::query!(
        "insert into waiting_interaction (store, document, about, business_date, event, event_id, correlation, traceparent, waiting_since,
                                          look_at)
         select u.*, $9, $9 from unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::jsonb[], $6::uuid[], $7::text[], $8::text[]) u
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

/// Interactions that are due for a look: each is ready, or to be looked at later. Whoever is from before `given_up` is ready.
pub async fn list_due(tx: &mut PgConnection, given_up: NaiveDate, now: DateTime<Utc>, part: Part) -> Result<Vec<Waiting>, Failure> {
    let rows = sqlx::query!(
        r#"select event as "event: Json<InteractionRecorded>", event_id, correlation, traceparent,
                  business_date < $1 or exists (select 1 from accrual a where a.store = w.store and a.document = w.about) as "ready!"
           from waiting_interaction w where look_at <= $2 order by look_at, store, document limit $3 offset $4"#,
        given_up,
        now,
        part.limit,
        part.offset
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| Waiting {
        cause: Cause::of_event(row.event_id, row.correlation.as_deref(), row.traceparent.as_deref()),
        event: row.event.0,
        event_id: row.event_id,
        ready: row.ready,
    });
    Ok(read.collect())
}

/// They are looked at again when they have waited an eighth longer: within a second at first, and at least every hour.
pub async fn look_later(tx: &mut PgConnection, keys: &[DocumentKey], now: DateTime<Utc>) -> Result<(), Failure> {
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update waiting_interaction
         set look_at = $3::timestamptz + greatest(interval '1 second', least(interval '1 hour', ($3::timestamptz - waiting_since) / 8))
         where (store, document) in (select * from unnest($1::text[], $2::text[]))",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
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
