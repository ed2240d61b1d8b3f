//! Claims: one row for every fact that was counted.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, Money, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool, types::Json};
use uuid::Uuid;

use super::deduction::read_paid;
use crate::domain::{
    contribution::{Contribution, Fact, Source},
    deduction::Cut,
};

/// What makes a fact one: store, document, source.
pub type Key = (String, String, String);

/// The key of a contribution.
pub fn key_of(contribution: &Contribution) -> Key {
    let fact = &contribution.fact;
    (fact.store.to_string(), fact.document.clone(), fact.source.as_str().to_owned())
}

/// Claims facts in the order of their keys. Gives back the keys that nobody had claimed. Each key may stand once.
pub async fn claim(tx: &mut PgConnection, contributions: &[&Contribution], counted_at: DateTime<Utc>) -> Result<Vec<Key>, Failure> {
    let each = || contributions.iter().copied();
    let facts = || each().map(|c| &c.fact);
    let paid = facts().map(|f| Json(f.paid.iter().map(|(category, paid)| (category.as_str(), paid.fen())).collect()));
    let new = sqlx::query!(
        "insert into contribution
                (store, document, source, member_id, program_version, business_date, at, qualifying, paid_fen, visit, paid_visit,
                 vehicle, amount_fen, detail, counted_at)
         select u.*, $15
         from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::date[], $7::timestamptz[], $8::bigint[],
                     $9::jsonb[], $10::bool[], $11::bool[], $12::text[], $13::bigint[], $14::text[])
              u (store, document, source, member_id, version, business_date, at, qualifying, paid, visit, paid_visit, vehicle, amount,
                 detail)
         order by u.store, u.document, u.source
         on conflict (store, document, source) do nothing
         returning store, document, source",
        &facts().map(|f| f.store.to_string()).collect::<Vec<_>>(),
        &facts().map(|f| f.document.clone()).collect::<Vec<_>>(),
        &facts().map(|f| f.source.as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|c| c.member_id.0).collect::<Vec<_>>(),
        &each().map(|c| i64::from(c.program_version)).collect::<Vec<_>>(),
        &facts().map(|f| f.business_date).collect::<Vec<_>>(),
        &facts().map(|f| f.at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &facts().map(|f| f.qualifying.0).collect::<Vec<_>>(),
        &paid.collect::<Vec<_>>() as &[Json<BTreeMap<&str, i64>>],
        &facts().map(|f| f.visit).collect::<Vec<_>>(),
        &facts().map(|f| f.paid_visit).collect::<Vec<_>>(),
        &facts().map(|f| f.vehicle.clone()).collect::<Vec<_>>() as &[Option<String>],
        &facts().map(|f| f.amount.is_positive().then(|| f.amount.fen())).collect::<Vec<_>>() as &[Option<i64>],
        &facts().map(|f| f.detail.clone()).collect::<Vec<_>>() as &[Option<String>],
        counted_at,
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().map(|row| (row.store, row.document, row.source)).collect())
}

struct Row {
    member_id: Uuid,
    source: String,
    store: String,
    document: String,
    business_date: chrono::NaiveDate,
    at: Option<DateTime<Utc>>,
    qualifying: i64,
    paid: Json<BTreeMap<String, i64>>,
    visit: bool,
    paid_visit: bool,
    vehicle: Option<String>,
    amount_fen: Option<i64>,
    detail: Option<String>,
    less_qualifying: Option<i64>,
    less_paid: Option<Json<Vec<BTreeMap<String, i64>>>>,
    visit_lost: Option<bool>,
    paid_visit_lost: Option<bool>,
}

impl TryFrom<Row> for Fact {
    type Error = BadRow;

    fn try_from(row: Row) -> Result<Self, BadRow> {
        let bad = |what| BadRow { table: "contribution", key: format!("{}/{}", row.store, row.document), what };
        let less = row.less_paid.iter().flat_map(|all| &all.0).map(read_paid);
        let cut = Cut {
            qualifying: Points(row.less_qualifying.unwrap_or_default()),
            visit_lost: row.visit_lost == Some(true),
            paid_visit_lost: row.paid_visit_lost == Some(true),
            paid: BTreeMap::new(),
        };
        let mut fact = Self {
            source: Source::of(&row.source).ok_or_else(|| bad("source"))?,
            store: StoreCode::try_new(&row.store).map_err(|_| bad("store"))?,
            paid: read_paid(&row.paid.0).ok_or_else(|| bad("paid_fen"))?,
            business_date: row.business_date,
            at: row.at,
            qualifying: Points(row.qualifying),
            visit: row.visit,
            paid_visit: row.paid_visit,
            vehicle: row.vehicle.clone(),
            amount: Money::from_fen(row.amount_fen.unwrap_or_default()),
            detail: row.detail.clone(),
            document: row.document.clone(),
        };
        cut.apply(&mut fact);
        for paid in less {
            Cut { paid: paid.ok_or_else(|| bad("less_paid"))?, ..Cut::default() }.apply(&mut fact);
        }
        Ok(fact)
    }
}

/// All facts of members, each with what corrections have left of it, each member's in their order. Members without facts are
/// missing.
pub async fn load(tx: &mut PgConnection, members: &[MemberId]) -> Result<HashMap<MemberId, Vec<Fact>>, Failure> {
    let ids: Vec<Uuid> = members.iter().map(|member| member.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select c.member_id, c.source, c.store, c.document, c.business_date, c.at, c.qualifying,
                  c.paid_fen as "paid: Json<BTreeMap<String, i64>>", c.visit, c.paid_visit, c.vehicle, c.amount_fen, c.detail,
                  d.qualifying as "less_qualifying?", d.paid as "less_paid?: Json<Vec<BTreeMap<String, i64>>>", d.visit_lost as "visit_lost?",
                  d.paid_visit_lost as "paid_visit_lost?"
           from contribution c
           left join (select store, document, source, sum(qualifying)::bigint as qualifying, jsonb_agg(paid_fen) as paid,
                             bool_or(visit_lost) as visit_lost, bool_or(paid_visit_lost) as paid_visit_lost
                      from deduction where member_id = any($1) group by store, document, source) d
               on d.store = c.store and d.document = c.document and d.source = c.source
           where c.member_id = any($1)"#,
        &ids
    )
    .fetch_all(tx)
    .await?;
    let mut facts: HashMap<MemberId, Vec<Fact>> = HashMap::new();
    for row in rows {
        let member = MemberId(row.member_id);
        facts.entry(member).or_default().push(Fact::try_from(row)?);
    }
    for of_one in facts.values_mut() {
        of_one.sort_by(|one, other| one.place().cmp(&other.place()));
    }
    Ok(facts)
}

/// All facts of one member, in their order.
pub async fn list(pool: &PgPool, member: MemberId) -> Result<Vec<Fact>, Failure> {
    let mut connection = pool.acquire().await?;
    Ok(load(&mut connection, &[member]).await?.remove(&member).unwrap_or_default())
}

/// Why a member was given a tier.
pub struct Gift {
    /// The fact's source.
    pub source: Source,
    /// The operation: the fact's document.
    pub operation_id: String,
    /// Whose.
    pub member_id: MemberId,
    /// The tier.
    pub tier: String,
    /// Why.
    pub reason: String,
}

/// Keeps why.
pub async fn save_gifts(tx: &mut PgConnection, gifts: &[Gift], at: DateTime<Utc>) -> Result<(), Failure> {
    sqlx::query!(
        "insert into gift (source, operation_id, member_id, tier, reason, at)
         select u.*, $6 from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[]) u
         on conflict (source, operation_id) do nothing",
        &gifts.iter().map(|gift| gift.source.as_str().to_owned()).collect::<Vec<_>>(),
        &gifts.iter().map(|gift| gift.operation_id.clone()).collect::<Vec<_>>(),
        &gifts.iter().map(|gift| gift.member_id.0).collect::<Vec<_>>(),
        &gifts.iter().map(|gift| gift.tier.clone()).collect::<Vec<_>>(),
        &gifts.iter().map(|gift| gift.reason.clone()).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
