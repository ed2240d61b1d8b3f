//! What is known of members, their birthdays and their cars.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use jifen_contracts::{
    endpoint::MemberStatus,
    event::VehicleKeys,
    program::{Campaign, VehicleAudience},
};
use jifen_kernel::{MemberId, StoreCode, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::{audience::Audience, person::Birthday};

/// What one event says of a member.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The store of the registration.
    pub store: &'a str,
    /// Active or not.
    pub status: MemberStatus,
    /// Orders what is said of a member.
    pub sequence: i64,
}

fn status_text(status: MemberStatus) -> &'static str {
    match status {
        MemberStatus::Registered => "registered",
        MemberStatus::Active => "active",
        MemberStatus::Lapsed => "lapsed",
    }
}

/// Saves what is newer than what is there.
pub async fn save(tx: &mut PgConnection, known: &BTreeMap<MemberId, Known<'_>>) -> Result<(), Failure> {
    sqlx::query!(
        "insert into member as m (member_id, store, status, sequence)
         select u.* from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) u (member_id, store, status, sequence)
         order by u.member_id
         on conflict (member_id) do update set store = excluded.store, status = excluded.status, sequence = excluded.sequence
         where m.sequence < excluded.sequence",
        &known.keys().map(|member| member.0).collect::<Vec<_>>(),
        &known.values().map(|known| known.store.to_owned()).collect::<Vec<_>>(),
        &known.values().map(|known| status_text(known.status).to_owned()).collect::<Vec<_>>(),
        &known.values().map(|known| known.sequence).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Saves birthdays that are newer than those that count from the same year.
pub async fn save_birthdays(tx: &mut PgConnection, birthdays: &BTreeMap<(MemberId, i32), Birthday>) -> Result<(), Failure> {
    if birthdays.is_empty() {
        return Ok(());
    }
    let months = birthdays.values().map(|birthday| birthday.month.and_then(|month| i16::try_from(month).ok()));
    sqlx::query!(
        "insert into birthday as b (member_id, from_year, sequence, month)
         select u.* from unnest($1::uuid[], $2::int[], $3::bigint[], $4::smallint[]) u (member_id, from_year, sequence, month)
         order by u.member_id, u.from_year
         on conflict (member_id, from_year) do update set sequence = excluded.sequence, month = excluded.month
         where b.sequence < excluded.sequence",
        &birthdays.keys().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &birthdays.keys().map(|(_, year)| *year).collect::<Vec<_>>(),
        &birthdays.values().map(|birthday| birthday.sequence).collect::<Vec<_>>(),
        &months.collect::<Vec<_>>() as &[Option<i16>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The cars that one event says a member has.
#[derive(Debug, Clone, Copy)]
pub struct Garage<'a> {
    /// Orders what is said of a member.
    pub sequence: i64,
    /// All of them.
    pub cars: &'a [VehicleKeys],
}

/// Saves the cars of members where that is newer than what is there.
pub async fn save_garages(tx: &mut PgConnection, garages: &BTreeMap<MemberId, Garage<'_>>) -> Result<(), Failure> {
    if garages.is_empty() {
        return Ok(());
    }
    let cars = garages.values().map(|garage| serde_json::to_value(garage.cars)).collect::<Result<Vec<_>, _>>();
    sqlx::query!(
        "insert into garage as g (member_id, sequence, cars)
         select u.* from unnest($1::uuid[], $2::bigint[], $3::jsonb[]) u (member_id, sequence, cars)
         order by u.member_id
         on conflict (member_id) do update set sequence = excluded.sequence, cars = excluded.cars
         where g.sequence < excluded.sequence",
        &garages.keys().map(|member| member.0).collect::<Vec<_>>(),
        &garages.values().map(|garage| garage.sequence).collect::<Vec<_>>(),
        &cars.map_err(Failure::defect)?,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The cars of members; those whose registration isn't known yet are not among them.
pub async fn load_garages(tx: &mut PgConnection, members: &[Uuid]) -> Result<BTreeMap<MemberId, Vec<VehicleKeys>>, Failure> {
    if members.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query!("select member_id, cars from garage where member_id = any($1)", members).fetch_all(tx).await?;
    let read = rows.into_iter().map(|row| {
        let bad = |_| BadRow { table: "garage", key: row.member_id.to_string(), what: "cars" };
        Ok((MemberId(row.member_id), serde_json::from_value(row.cars).map_err(bad)?))
    });
    Ok(read.collect::<Result<_, BadRow>>()?)
}

/// The birthdays of members; those whose registration isn't known yet are not among them.
pub async fn load_birthdays(tx: &mut PgConnection, members: &[Uuid]) -> Result<BTreeMap<MemberId, Vec<Birthday>>, Failure> {
    let mut birthdays: BTreeMap<MemberId, Vec<Birthday>> = BTreeMap::new();
    if members.is_empty() {
        return Ok(birthdays);
    }
    let rows =
        sqlx::query!("select member_id, from_year, sequence, month from birthday where member_id = any($1)", members).fetch_all(tx).await?;
    for row in rows {
        let bad = || BadRow { table: "birthday", key: row.member_id.to_string(), what: "month" };
        let month = row.month.map(u32::try_from).transpose().map_err(|_| bad())?;
        let birthday = Birthday { from_year: row.from_year, sequence: row.sequence, month };
        birthdays.entry(MemberId(row.member_id)).or_default().push(birthday);
    }
    birthdays.retain(|_, said| said.iter().any(|birthday| birthday.from_year == 0));
    Ok(birthdays)
}

/// What a statement asks of cars.
struct VehicleColumns<'a> {
    series: &'a [String],
    from_months: Option<i32>,
    below_months: Option<i32>,
}

impl<'a> VehicleColumns<'a> {
    fn of(audience: Option<&'a VehicleAudience>) -> Self {
        let months = |of: fn(&VehicleAudience) -> Option<u32>| audience.and_then(of).and_then(|months| i32::try_from(months).ok());
        Self {
            series: audience.map_or(&[], |audience| &audience.series),
            from_months: months(|audience| audience.from_months),
            below_months: months(|audience| audience.below_months),
        }
    }
}

/// Active members of an audience behind a place, by store and member: at most `limit`.
pub async fn list_audience(
    tx: &mut PgConnection,
    audience: &Audience,
    after: (&str, Uuid),
    limit: i64,
) -> Result<Vec<(StoreCode, MemberId)>, Failure> {
    let vehicle = VehicleColumns::of(audience.vehicle.as_ref());
    let rows = sqlx::query!(
        "select m.store, m.member_id from member m
         where m.status = 'active' and (m.store, m.member_id) > ($1, $2)
           and (cardinality($3::text[]) = 0 or m.store = any($3))
           and (cardinality($4::text[]) = 0
                or coalesce((select t.tier from tier_change t where t.member_id = m.member_id order by t.ordinal desc limit 1), $5) = any($4))
           and (cardinality($6::smallint[]) = 0
                or (select b.month from birthday b where b.member_id = m.member_id and b.from_year <= $7 order by b.sequence desc limit 1)
                   = any($6))
           and (not $9 or exists (
                select from garage g, jsonb_to_recordset(g.cars) as car (series text, new_on date)
                where g.member_id = m.member_id and (cardinality($10::text[]) = 0 or car.series = any($10))
                  and ($11::int is null or car.new_on + make_interval(months => $11) <= $13::date)
                  and ($12::int is null or car.new_on + make_interval(months => $12) > $13::date)))
         order by m.store, m.member_id limit $8",
        after.0,
        after.1,
        &audience.stores.iter().map(ToString::to_string).collect::<Vec<_>>(),
        &audience.tiers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        audience.lowest_tier.as_ref().map_or("", Token::as_str),
        &audience.birthday_months,
        audience.year,
        limit,
        audience.vehicle.is_some(),
        vehicle.series,
        vehicle.from_months,
        vehicle.below_months,
        audience.on,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = |_| BadRow { table: "member", key: row.member_id.to_string(), what: "store" };
        Ok((StoreCode::try_new(row.store.as_str()).map_err(bad)?, MemberId(row.member_id)))
    });
    Ok(read.collect::<Result<_, BadRow>>()?)
}

/// How many active members there are of a store, a tier (none: nobody rose yet) and a month of birth (none: no birthday).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crowd {
    /// The store of registration.
    pub store: String,
    /// The tier now.
    pub tier: Option<String>,
    /// The month in which they were born.
    pub month: Option<i16>,
    /// How many.
    pub members: u64,
}

/// All active members, or those with such a car, counted for audiences of that year: one walk over them for all campaigns of a
/// report that ask for the same cars.
pub async fn count_crowds(pool: &PgPool, on: NaiveDate, audience: Option<&VehicleAudience>) -> Result<Vec<Crowd>, Failure> {
    let vehicle = VehicleColumns::of(audience);
    let rows = sqlx::query!(
        r#"select m.store, t.tier as "tier?", b.month as "month?", count(*) as "members!"
           from member m
           left join lateral (select tier from tier_change where member_id = m.member_id order by ordinal desc limit 1) t on true
           left join lateral (select month from birthday where member_id = m.member_id and from_year <= $1 order by sequence desc limit 1) b
                on true
           where m.status = 'active'
             and (not $2 or exists (
                  select from garage g, jsonb_to_recordset(g.cars) as car (series text, new_on date)
                  where g.member_id = m.member_id and (cardinality($3::text[]) = 0 or car.series = any($3))
                    and ($4::int is null or car.new_on + make_interval(months => $4) <= $6::date)
                    and ($5::int is null or car.new_on + make_interval(months => $5) > $6::date)))
           group by m.store, t.tier, b.month"#,
        chrono::Datelike::year(&on),
        audience.is_some(),
        vehicle.series,
        vehicle.from_months,
        vehicle.below_months,
        on,
    )
    .fetch_all(pool)
    .await?;
    let crowd =
        |row: (String, Option<String>, Option<i16>, i64)| Crowd { store: row.0, tier: row.1, month: row.2, members: row.3.unsigned_abs() };
    Ok(rows.into_iter().map(|row| crowd((row.store, row.tier, row.month, row.members))).collect())
}

impl Crowd {
    /// Whether a campaign's audience holds these members.
    pub fn is_of(&self, campaign: &Campaign, lowest_tier: Option<&Token>) -> bool {
        let audience = Audience::of(campaign, lowest_tier);
        let tier = self.tier.as_deref().or_else(|| lowest_tier.map(Token::as_str));
        (audience.stores.is_empty() || audience.stores.iter().any(|store| store.as_str() == self.store))
            && (audience.tiers.is_empty() || tier.is_some_and(|tier| audience.tiers.iter().any(|named| named.as_str() == tier)))
            && (audience.birthday_months.is_empty() || self.month.is_some_and(|month| audience.birthday_months.contains(&month)))
    }
}
