//! Holds: read and changed under the lock of their account.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use jifen_contracts::{endpoint::HoldState, event::EntryKind};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::hold::Hold;

pub(super) struct Row {
    pub(super) hold_id: Uuid,
    pub(super) member_id: Uuid,
    pub(super) store: String,
    pub(super) points: i64,
    pub(super) captured: i64,
    pub(super) state: String,
    pub(super) program_version: i32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) document: Option<String>,
    pub(super) returned_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Hold {
    type Error = BadRow;

    fn try_from(row: Row) -> Result<Self, BadRow> {
        let bad = |what| BadRow { table: "hold", key: row.hold_id.to_string(), what };
        Ok(Self {
            hold_id: row.hold_id,
            member_id: MemberId(row.member_id),
            store: StoreCode::try_new(row.store.as_str()).map_err(|_| bad("store"))?,
            points: Points(row.points),
            captured: Points(row.captured),
            state: HoldState::ALL.into_iter().find(|state| state.as_str() == row.state).ok_or_else(|| bad("state"))?,
            program_version: u32::try_from(row.program_version).map_err(|_| bad("program_version"))?,
            created_at: row.created_at,
            expires_at: row.expires_at,
            document: row.document,
            returned: row.returned_at.is_some(),
        })
    }
}

/// Holds by key.
pub type Holds = BTreeMap<Uuid, Hold>;

pub(super) fn read(rows: Vec<Row>) -> Result<Holds, Failure> {
    let holds = rows.into_iter().map(|row| Hold::try_from(row).map(|hold| (hold.hold_id, hold)));
    holds.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Holds by key.
pub async fn load(tx: &mut PgConnection, ids: &[Uuid]) -> Result<Holds, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select hold_id, member_id, store, points, captured, state, program_version, created_at, expires_at, document, returned_at
         from hold where hold_id = any($1)",
        ids
    )
    .fetch_all(tx)
    .await?;
    read(rows)
}

/// Open holds whose time is over: whose they are.
pub async fn list_expired(tx: &mut PgConnection, at: DateTime<Utc>, limit: i64, offset: i64) -> Result<Vec<Uuid>, Failure> {
    let ids = sqlx::query_scalar!(
        "select hold_id from hold where state = 'open' and expires_at <= $1 order by expires_at, hold_id limit $2 offset $3",
        at,
        limit,
        offset
    )
    .fetch_all(tx)
    .await?;
    Ok(ids)
}

/// Writes new holds.
pub async fn insert(tx: &mut PgConnection, holds: &[Hold]) -> Result<(), Failure> {
    let each = || holds.iter();
    sqlx::query!(
        "insert into hold (hold_id, member_id, store, points, program_version, created_at, expires_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::int[], $6::timestamptz[], $7::timestamptz[])",
        &each().map(|hold| hold.hold_id).collect::<Vec<_>>(),
        &each().map(|hold| hold.member_id.0).collect::<Vec<_>>(),
        &each().map(|hold| hold.store.to_string()).collect::<Vec<_>>(),
        &each().map(|hold| hold.points.0).collect::<Vec<_>>(),
        &each().map(|hold| i32::try_from(hold.program_version).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &each().map(|hold| hold.created_at).collect::<Vec<_>>(),
        &each().map(|hold| hold.expires_at).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes how holds stand now.
pub async fn save(tx: &mut PgConnection, holds: &[&Hold], at: DateTime<Utc>) -> Result<(), Failure> {
    let each = || holds.iter();
    sqlx::query!(
        "update hold h set captured = u.captured, state = u.state, expires_at = u.expires_at, document = u.document,
                resolved_at = case when u.state <> 'open' then coalesce(h.resolved_at, $7) end,
                returned_at = case when u.returned then coalesce(h.returned_at, $7) end
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::bool[])
              u(hold_id, captured, state, expires_at, document, returned)
         where h.hold_id = any($1) and h.hold_id = u.hold_id",
        &each().map(|hold| hold.hold_id).collect::<Vec<_>>(),
        &each().map(|hold| hold.captured.0).collect::<Vec<_>>(),
        &each().map(|hold| hold.state.as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|hold| hold.expires_at).collect::<Vec<_>>(),
        &each().map(|hold| hold.document.clone()).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|hold| hold.returned).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An entry that reserved or spent points of a lot.
#[derive(Debug)]
pub struct Moved {
    /// Its key.
    pub entry_id: Uuid,
    /// Whose.
    pub member_id: MemberId,
    /// The lot.
    pub lot_id: Uuid,
    /// How many.
    pub points: Points,
    /// The rule: of captures it names the hold.
    pub rule: String,
}

/// Entries of a kind by (store, document), in the order of their chains: those that reserved the points of holds, whose document is
/// the hold, or those that spent them.
pub async fn load_moved(
    tx: &mut PgConnection,
    keys: &[(String, String)],
    kind: EntryKind,
) -> Result<HashMap<(String, String), Vec<Moved>>, Failure> {
    let rows = sqlx::query!(
        "select store, document, entry_id, member_id, lot_id, points, rule from entry
         where (store, document) in (select * from unnest($1::text[], $2::text[])) and kind = $3 order by member_id, sequence",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
        kind.as_str(),
    )
    .fetch_all(tx)
    .await?;
    let mut moved: HashMap<(String, String), Vec<Moved>> = HashMap::new();
    for row in rows {
        let (member_id, points) = (MemberId(row.member_id), Points(row.points));
        let of_lot = Moved { entry_id: row.entry_id, member_id, lot_id: row.lot_id, points, rule: row.rule };
        moved.entry((row.store, row.document)).or_default().push(of_lot);
    }
    Ok(moved)
}
