//! Countable benefits and their uses, under the lock of the member's standing.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::code::Text;
use jifen_kernel::{MemberId, StoreCode, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::entitlement::Entitlement;

struct Row {
    entitlement_id: Uuid,
    member_id: Uuid,
    tier: String,
    kind: String,
    name_zh: String,
    name_en: String,
    count: i32,
    used: i32,
    granted_on: NaiveDate,
    valid_until: NaiveDate,
    closed: bool,
    revoked: bool,
}

impl TryFrom<Row> for Entitlement {
    type Error = BadRow;

    fn try_from(row: Row) -> Result<Self, BadRow> {
        let bad = |what| BadRow { table: "entitlement", key: row.entitlement_id.to_string(), what };
        Ok(Self {
            id: row.entitlement_id,
            tier: Token::try_new(row.tier).map_err(|_| bad("tier"))?,
            kind: Token::try_new(row.kind).map_err(|_| bad("kind"))?,
            name: Text::new(row.name_zh, row.name_en),
            count: u32::try_from(row.count).map_err(|_| bad("count"))?,
            used: u32::try_from(row.used).map_err(|_| bad("used"))?,
            granted_on: row.granted_on,
            valid_until: row.valid_until,
            closed: row.closed,
            revoked: row.revoked,
        })
    }
}

/// What members have and had, the oldest first. Members without any are missing.
pub async fn load(tx: &mut PgConnection, members: &[Uuid]) -> Result<HashMap<MemberId, Vec<Entitlement>>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select entitlement_id, member_id, tier, kind, name_zh, name_en, count, used, granted_on, valid_until, closed, revoked
         from entitlement where member_id = any($1) order by member_id, granted_on, kind",
        members
    )
    .fetch_all(tx)
    .await?;
    let mut held: HashMap<MemberId, Vec<Entitlement>> = HashMap::new();
    for row in rows {
        held.entry(MemberId(row.member_id)).or_default().push(Entitlement::try_from(row)?);
    }
    Ok(held)
}

/// What one member has and had.
pub async fn list(pool: &PgPool, member: MemberId) -> Result<Vec<Entitlement>, Failure> {
    let mut connection = pool.acquire().await?;
    Ok(load(&mut connection, &[member.0]).await?.remove(&member).unwrap_or_default())
}

/// Saves new entitlements of a program.
pub async fn save_new(tx: &mut PgConnection, new: &[(MemberId, u32, &Entitlement)], at: DateTime<Utc>) -> Result<(), Failure> {
    let each = || new.iter().map(|(_, _, entitlement)| *entitlement);
    let small = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    sqlx::query!(
        "insert into entitlement
                (entitlement_id, member_id, program_version, tier, kind, name_zh, name_en, count, granted_on, valid_until, granted_at)
         select u.*, $11 from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[],
                                     $9::date[], $10::date[]) u",
        &each().map(|e| e.id).collect::<Vec<_>>(),
        &new.iter().map(|(member, _, _)| member.0).collect::<Vec<_>>(),
        &new.iter().map(|(_, version, _)| i64::from(*version)).collect::<Vec<_>>(),
        &each().map(|e| e.tier.to_string()).collect::<Vec<_>>(),
        &each().map(|e| e.kind.to_string()).collect::<Vec<_>>(),
        &each().map(|e| e.name.zh.clone()).collect::<Vec<_>>(),
        &each().map(|e| e.name.en.clone()).collect::<Vec<_>>(),
        &each().map(|e| small(e.count)).collect::<Vec<_>>(),
        &each().map(|e| e.granted_on).collect::<Vec<_>>(),
        &each().map(|e| e.valid_until).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Saves how often entitlements were used, and which are over.
pub async fn save(tx: &mut PgConnection, changed: &BTreeMap<Uuid, &Entitlement>) -> Result<(), Failure> {
    sqlx::query!(
        "update entitlement e set used = u.used, closed = u.closed, revoked = u.revoked
         from unnest($1::uuid[], $2::int[], $3::bool[], $4::bool[]) u (entitlement_id, used, closed, revoked)
         where e.entitlement_id = any($1) and e.entitlement_id = u.entitlement_id",
        &changed.keys().copied().collect::<Vec<_>>(),
        &changed.values().map(|e| i32::try_from(e.used).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &changed.values().map(|e| e.closed).collect::<Vec<_>>(),
        &changed.values().map(|e| e.revoked).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A use at a store.
#[derive(Debug, Clone)]
pub struct Use {
    /// Its key.
    pub use_id: Uuid,
    /// Of which entitlement.
    pub entitlement_id: Uuid,
    /// Whose.
    pub member_id: MemberId,
    /// The store that gave it.
    pub store: StoreCode,
    /// The store's document.
    pub document: Option<String>,
    /// Taken back.
    pub undone: bool,
}

/// Saves new uses.
pub async fn save_uses(tx: &mut PgConnection, uses: &[Use], at: DateTime<Utc>) -> Result<(), Failure> {
    sqlx::query!(
        "insert into entitlement_use (use_id, entitlement_id, member_id, store, document, used_at)
         select u.*, $6 from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) u",
        &uses.iter().map(|u| u.use_id).collect::<Vec<_>>(),
        &uses.iter().map(|u| u.entitlement_id).collect::<Vec<_>>(),
        &uses.iter().map(|u| u.member_id.0).collect::<Vec<_>>(),
        &uses.iter().map(|u| u.store.to_string()).collect::<Vec<_>>(),
        &uses.iter().map(|u| u.document.clone()).collect::<Vec<_>>() as &[Option<String>],
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The uses of these keys.
pub async fn load_uses(tx: &mut PgConnection, uses: &[Uuid]) -> Result<HashMap<Uuid, Use>, Failure> {
    let rows = sqlx::query!(
        r#"select use_id, entitlement_id, member_id, store, document, undone_at is not null as "undone!"
           from entitlement_use where use_id = any($1)"#,
        uses
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = |_| BadRow { table: "entitlement_use", key: row.use_id.to_string(), what: "store" };
        let store = StoreCode::try_new(row.store).map_err(bad)?;
        let member_id = MemberId(row.member_id);
        let found =
            Use { use_id: row.use_id, entitlement_id: row.entitlement_id, member_id, store, document: row.document, undone: row.undone };
        Ok((row.use_id, found))
    });
    Ok(read.collect::<Result<_, BadRow>>()?)
}

/// Takes uses back.
pub async fn undo_uses(tx: &mut PgConnection, uses: &[Uuid], at: DateTime<Utc>) -> Result<(), Failure> {
    sqlx::query!("update entitlement_use set undone_at = $2 where use_id = any($1)", uses, at).execute(tx).await?;
    Ok(())
}
