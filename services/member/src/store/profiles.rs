//! Members whole, with their values sealed: tables `personal`, `vehicle` beside `member`. And what of them has changed.

use std::collections::HashMap;

use chrono::NaiveDate;
use jifen_kernel::MemberId;
use sqlx::PgConnection;
use uuid::Uuid;

/// The keys of members, sealed.
pub async fn load_data_keys(tx: &mut PgConnection, members: &[Uuid]) -> Result<HashMap<MemberId, Vec<u8>>, sqlx::Error> {
    let rows = sqlx::query!("select member_id, sealed from data_key where member_id = any($1)", members).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|row| (MemberId(row.member_id), row.sealed)).collect())
}

/// The sealed values of members: field and value.
pub async fn load_personal(tx: &mut PgConnection, members: &[Uuid]) -> Result<HashMap<MemberId, Vec<(String, Vec<u8>)>>, sqlx::Error> {
    let rows = sqlx::query!("select member_id, field, sealed from personal where member_id = any($1)", members).fetch_all(tx).await?;
    let mut values: HashMap<MemberId, Vec<(String, Vec<u8>)>> = HashMap::new();
    for row in rows {
        values.entry(MemberId(row.member_id)).or_default().push((row.field, row.sealed));
    }
    Ok(values)
}

/// A vehicle as far as it rests in clear: VIN and plate are personal values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVehicle {
    /// Its number among the member's.
    pub number: i16,
    /// First day of ownership.
    pub owned_since: NaiveDate,
    /// The model series.
    pub series: Option<String>,
    /// The day on which it was handed over new.
    pub new_on: Option<NaiveDate>,
}

/// The vehicles of members.
pub async fn load_vehicles(tx: &mut PgConnection, members: &[Uuid]) -> Result<HashMap<MemberId, Vec<StoredVehicle>>, sqlx::Error> {
    let rows = sqlx::query!("select member_id, vehicle_no, owned_since, series, new_on from vehicle where member_id = any($1)", members)
        .fetch_all(tx)
        .await?;
    let mut vehicles: HashMap<MemberId, Vec<StoredVehicle>> = HashMap::new();
    for row in rows {
        let stored = StoredVehicle { number: row.vehicle_no, owned_since: row.owned_since, series: row.series, new_on: row.new_on };
        vehicles.entry(MemberId(row.member_id)).or_default().push(stored);
    }
    Ok(vehicles)
}

/// Saves sealed values, each in place of the one before.
pub async fn save_personal(tx: &mut PgConnection, values: &[(MemberId, String, Vec<u8>)]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into personal (member_id, field, sealed) select * from unnest($1::uuid[], $2::text[], $3::bytea[])
         on conflict (member_id, field) do update set sealed = excluded.sealed",
        &values.iter().map(|(member, ..)| member.0).collect::<Vec<_>>(),
        &values.iter().map(|(_, field, _)| field.clone()).collect::<Vec<_>>(),
        &values.iter().map(|(.., sealed)| sealed.clone()).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes values.
pub async fn remove_personal(tx: &mut PgConnection, values: &[(MemberId, String)]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from personal p using unnest($1::uuid[], $2::text[]) u(member_id, field)
         where p.member_id = any($1) and p.member_id = u.member_id and p.field = u.field",
        &values.iter().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &values.iter().map(|(_, field)| field.clone()).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Saves vehicles, each in place of the one before of its number.
pub async fn save_vehicles(tx: &mut PgConnection, vehicles: &[(MemberId, StoredVehicle)]) -> Result<(), sqlx::Error> {
    let each = || vehicles.iter().map(|(_, vehicle)| vehicle);
    sqlx::query!(
        "insert into vehicle (member_id, vehicle_no, owned_since, series, new_on)
         select * from unnest($1::uuid[], $2::smallint[], $3::date[], $4::text[], $5::date[])
         on conflict (member_id, vehicle_no)
         do update set owned_since = excluded.owned_since, series = excluded.series, new_on = excluded.new_on",
        &vehicles.iter().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &each().map(|vehicle| vehicle.number).collect::<Vec<_>>(),
        &each().map(|vehicle| vehicle.owned_since).collect::<Vec<_>>(),
        &each().map(|vehicle| vehicle.series.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &each().map(|vehicle| vehicle.new_on).collect::<Vec<_>>() as &[Option<NaiveDate>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes vehicles.
pub async fn remove_vehicles(tx: &mut PgConnection, vehicles: &[(MemberId, i16)]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from vehicle v using unnest($1::uuid[], $2::smallint[]) u(member_id, vehicle_no)
         where v.member_id = any($1) and v.member_id = u.member_id and v.vehicle_no = u.vehicle_no",
        &vehicles.iter().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &vehicles.iter().map(|(_, number)| *number).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}
