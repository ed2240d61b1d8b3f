//! Adjustments by staff: those that wait are decided on under the lock of their account.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::endpoint::{AdjustmentState, Staff};
use jifen_kernel::{MemberId, Points, StoreCode, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::adjustment::Adjustment;

struct Row {
    adjustment_id: Uuid,
    member_id: Uuid,
    member_no: String,
    store: String,
    points: i64,
    reason: String,
    note: Option<String>,
    state: String,
    program_version: i32,
    staff_id: String,
    role: String,
    created_at: DateTime<Utc>,
    decided_staff_id: Option<String>,
    decided_role: Option<String>,
    decided_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Adjustment {
    type Error = BadRow;

    fn try_from(row: Row) -> Result<Self, BadRow> {
        let bad = |what| BadRow { table: "adjustment", key: row.adjustment_id.to_string(), what };
        let second = row.decided_staff_id.zip(row.decided_role).map(|(staff_id, role)| Staff { staff_id, role });
        Ok(Self {
            adjustment_id: row.adjustment_id,
            member_id: MemberId(row.member_id),
            member_no: row.member_no,
            store: StoreCode::try_new(row.store.as_str()).map_err(|_| bad("store"))?,
            points: Points(row.points),
            reason: Token::try_new(row.reason.as_str()).map_err(|_| bad("reason"))?,
            note: row.note,
            state: AdjustmentState::ALL.into_iter().find(|state| state.as_str() == row.state).ok_or_else(|| bad("state"))?,
            program_version: u32::try_from(row.program_version).map_err(|_| bad("program_version"))?,
            by: Staff { staff_id: row.staff_id, role: row.role },
            created_at: row.created_at,
            decided: second.zip(row.decided_at),
        })
    }
}

fn read(rows: Vec<Row>) -> Result<Vec<Adjustment>, Failure> {
    rows.into_iter().map(Adjustment::try_from).collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Adjustments by key.
pub async fn load(tx: &mut PgConnection, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Adjustment>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select adjustment_id, member_id, member_no, store, points, reason, note, state, program_version, staff_id, role, created_at,
                decided_staff_id, decided_role, decided_at
         from adjustment where adjustment_id = any($1)",
        ids
    )
    .fetch_all(tx)
    .await?;
    Ok(read(rows)?.into_iter().map(|adjustment| (adjustment.adjustment_id, adjustment)).collect())
}

/// Adjustments before one, newest first: of a member or of all, in a state or in any.
pub async fn list(
    pool: &PgPool,
    member: Option<MemberId>,
    state: Option<AdjustmentState>,
    before: Uuid,
    limit: i64,
) -> Result<Vec<Adjustment>, Failure> {
    let states: Vec<String> =
        state.map_or_else(|| AdjustmentState::ALL.to_vec(), |state| vec![state]).iter().map(|s| s.as_str().to_owned()).collect();
    let rows = match member {
        Some(member) => {
            sqlx::query_as!(
                Row,
                "select adjustment_id, member_id, member_no, store, points, reason, note, state, program_version, staff_id, role,
                        created_at, decided_staff_id, decided_role, decided_at
                 from adjustment where member_id = $1 and adjustment_id < $2 and state = any($3) order by adjustment_id desc limit $4",
                member.0,
                before,
                &states,
                limit
            )
            .fetch_all(pool)
            .await?
        }
        None => {
            // State by state on the index, each a page at most.
            sqlx::query_as!(
                Row,
                r#"select a.adjustment_id as "adjustment_id!", a.member_id as "member_id!", a.member_no as "member_no!",
                          a.store as "store!", a.points as "points!", a.reason as "reason!", a.note, a.state as "state!",
                          a.program_version as "program_version!", a.staff_id as "staff_id!", a.role as "role!",
                          a.created_at as "created_at!", a.decided_staff_id, a.decided_role, a.decided_at
                   from unnest($1::text[]) s(state)
                        cross join lateral (select * from adjustment a where a.state = s.state and a.adjustment_id < $2
                                            order by a.adjustment_id desc limit $3) a
                   order by a.adjustment_id desc limit $3"#,
                &states,
                before,
                limit
            )
            .fetch_all(pool)
            .await?
        }
    };
    read(rows)
}

/// Writes new adjustments.
pub async fn insert(tx: &mut PgConnection, new: &[&Adjustment]) -> Result<(), Failure> {
    let each = || new.iter();
    sqlx::query!(
        "insert into adjustment (adjustment_id, member_id, member_no, store, points, reason, note, state, program_version, staff_id, role,
                                 created_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
                              $9::int[], $10::text[], $11::text[], $12::timestamptz[])",
        &each().map(|a| a.adjustment_id).collect::<Vec<_>>(),
        &each().map(|a| a.member_id.0).collect::<Vec<_>>(),
        &each().map(|a| a.member_no.clone()).collect::<Vec<_>>(),
        &each().map(|a| a.store.to_string()).collect::<Vec<_>>(),
        &each().map(|a| a.points.0).collect::<Vec<_>>(),
        &each().map(|a| a.reason.to_string()).collect::<Vec<_>>(),
        &each().map(|a| a.note.clone()).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|a| a.state.as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|a| i32::try_from(a.program_version).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &each().map(|a| a.by.staff_id.clone()).collect::<Vec<_>>(),
        &each().map(|a| a.by.role.clone()).collect::<Vec<_>>(),
        &each().map(|a| a.created_at).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes what a second person decided.
pub async fn save_decided(tx: &mut PgConnection, decided: &[&Adjustment]) -> Result<(), Failure> {
    let seconds: Vec<_> = decided.iter().filter_map(|a| a.decided.as_ref().map(|second| (a, second))).collect();
    let each = || seconds.iter();
    sqlx::query!(
        "update adjustment a set state = u.state, decided_staff_id = u.staff_id, decided_role = u.role, decided_at = u.decided_at
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) u(adjustment_id, state, staff_id, role, decided_at)
         where a.adjustment_id = any($1) and a.adjustment_id = u.adjustment_id",
        &each().map(|(a, _)| a.adjustment_id).collect::<Vec<_>>(),
        &each().map(|(a, _)| a.state.as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|(_, (by, _))| by.staff_id.clone()).collect::<Vec<_>>(),
        &each().map(|(_, (by, _))| by.role.clone()).collect::<Vec<_>>(),
        &each().map(|(_, (_, at))| *at).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}
