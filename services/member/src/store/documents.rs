//! What stores reported: tables `sign_up`, `sign_up_arrival`, `vehicle_sale`.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use jifen_contracts::KeyedHash;
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    Sale,
    sign_up::{Arrival, Holder, Identity, Number},
};

/// A sign-up that claims its number.
pub struct Claim<'a> {
    /// What it is and says.
    pub identity: &'a Identity,
    /// The message that brought it.
    pub arrival: Arrival,
    /// Who signed up.
    pub member_id: MemberId,
    /// That is a member of before.
    pub existing: bool,
    /// Who brought the customer.
    pub referral_code: Option<&'a str>,
}

/// Claims numbers, in their order; gives back how many were free.
pub async fn claim_sign_ups(tx: &mut PgConnection, claims: &[Claim<'_>]) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "insert into sign_up (store, number, content_hash, stream_sequence, received_at, member_id, existing, referral_code)
         select * from unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::timestamptz[], $6::uuid[], $7::bool[], $8::text[])
         on conflict do nothing",
        &claims.iter().map(|claim| claim.identity.number.store.clone()).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.identity.number.number.clone()).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.identity.content_hash.to_vec()).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.arrival.sequence).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.arrival.stored_at).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.member_id.0).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.existing).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.referral_code).collect::<Vec<_>>() as &[Option<&str>],
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

/// Who holds these numbers.
pub async fn load_holders(tx: &mut PgConnection, numbers: &[&Number]) -> Result<HashMap<Number, Holder>, Failure> {
    let rows = sqlx::query!(
        "select store, number, content_hash, stream_sequence, received_at from sign_up
         where (store, number) in (select * from unnest($1::text[], $2::text[]))",
        &numbers.iter().map(|number| number.store.clone()).collect::<Vec<_>>(),
        &numbers.iter().map(|number| number.number.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = |_| BadRow { table: "sign_up", key: format!("{}/{}", row.store, row.number), what: "content_hash" };
        let content_hash = row.content_hash.try_into().map_err(bad)?;
        let arrival = Arrival { sequence: row.stream_sequence, stored_at: row.received_at };
        Ok((Number { store: row.store, number: row.number }, Holder { content_hash, arrival }))
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Which of these messages had their fate before, as duplicate or refused.
pub async fn load_settled(tx: &mut PgConnection, arrivals: &[Arrival]) -> Result<HashSet<Arrival>, sqlx::Error> {
    let rows = sqlx::query!(
        "select stream_sequence, stored_at from sign_up_arrival
         where (stream_sequence, stored_at) in (select * from unnest($1::bigint[], $2::timestamptz[]))",
        &arrivals.iter().map(|arrival| arrival.sequence).collect::<Vec<_>>(),
        &arrivals.iter().map(|arrival| arrival.stored_at).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| Arrival { sequence: row.stream_sequence, stored_at: row.stored_at }).collect())
}

/// Records messages with their fate (`duplicate` or `rejected`), in the order of their keys; gives back how many were not
/// recorded before.
pub async fn save_settled(tx: &mut PgConnection, arrivals: &BTreeMap<Arrival, &'static str>) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "insert into sign_up_arrival (stream_sequence, stored_at, fate) select * from unnest($1::bigint[], $2::timestamptz[], $3::text[])
         on conflict do nothing",
        &arrivals.keys().map(|arrival| arrival.sequence).collect::<Vec<_>>(),
        &arrivals.keys().map(|arrival| arrival.stored_at).collect::<Vec<_>>(),
        &arrivals.values().map(ToString::to_string).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

/// A sale that claims its number: what it is, the car, and the series that it names.
pub type SaleClaim<'a> = (&'a Sale, &'a KeyedHash, Option<&'a str>);

/// Claims sales, in the order of store and number; gives back the VINs of those that are new.
pub async fn claim_sales(tx: &mut PgConnection, sales: &[SaleClaim<'_>]) -> Result<HashSet<KeyedHash>, sqlx::Error> {
    let new = sqlx::query_scalar!(
        "insert into vehicle_sale (store, sale_no, vin, member_id, delivered_at, series)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $6::text[])
         on conflict do nothing returning vin",
        &sales.iter().map(|(sale, ..)| sale.store.to_string()).collect::<Vec<_>>(),
        &sales.iter().map(|(sale, ..)| sale.sale_no.clone()).collect::<Vec<_>>(),
        &sales.iter().map(|(_, vin, _)| vin.0.clone()).collect::<Vec<_>>(),
        &sales.iter().map(|(sale, ..)| sale.member_id.0).collect::<Vec<_>>(),
        &sales.iter().map(|(sale, ..)| sale.delivered_at).collect::<Vec<_>>(),
        &sales.iter().map(|(.., series)| *series).collect::<Vec<_>>() as &[Option<&str>],
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().map(KeyedHash).collect())
}

/// What all sales of a car come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sales {
    /// The latest one.
    pub latest: Sale,
    /// When the first one was.
    pub first_at: DateTime<Utc>,
    /// The series, as the latest one says that says one.
    pub series: Option<String>,
}

/// The sales of each of these cars.
pub async fn load_sales(tx: &mut PgConnection, vins: &[String]) -> Result<HashMap<KeyedHash, Sales>, Failure> {
    struct Row {
        vin: String,
        store: String,
        sale_no: String,
        member_id: Uuid,
        delivered_at: DateTime<Utc>,
        first_at: Option<DateTime<Utc>>,
        series: Option<String>,
    }
    let rows = sqlx::query_as!(
        Row,
        "select distinct on (vin) vin, store, sale_no, member_id, delivered_at, min(delivered_at) over (partition by vin) as first_at,
                (select s.series from vehicle_sale s where s.vin = v.vin and s.series is not null
                 order by s.delivered_at desc, s.store desc, s.sale_no desc limit 1) as series
         from vehicle_sale v where vin = any($1) order by vin, delivered_at desc, store desc, sale_no desc",
        vins,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = |_| BadRow { table: "vehicle_sale", key: row.sale_no.clone(), what: "store" };
        let store = StoreCode::try_new(row.store).map_err(bad)?;
        let latest = Sale { delivered_at: row.delivered_at, store, sale_no: row.sale_no.clone(), member_id: MemberId(row.member_id) };
        Ok((KeyedHash(row.vin), Sales { latest, first_at: row.first_at.unwrap_or(row.delivered_at), series: row.series }))
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}
