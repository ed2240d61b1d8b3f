//! Where members stand: locked in the order of `member_id`, saved once a batch.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Points, StoreCode, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::standing::{Reached, Standing};

/// Locked standings.
pub type Standings = BTreeMap<MemberId, Standing>;

struct Row {
    member_id: Uuid,
    member_no: String,
    store: Option<String>,
    qualifying: i64,
    tier: Option<String>,
    tier_since: Option<DateTime<Utc>>,
    tier_version: Option<i64>,
    changes: i64,
    awaiting: bool,
    active_on: Option<NaiveDate>,
    warned_of: Option<NaiveDate>,
    decided_to: Option<NaiveDate>,
    next_due: Option<NaiveDate>,
    waiting: i32,
}

impl TryFrom<Row> for Standing {
    type Error = BadRow;

    fn try_from(row: Row) -> Result<Self, BadRow> {
        let bad = |what| BadRow { table: "standing", key: row.member_id.to_string(), what };
        // A stored tier's columns become one value.
        let reached = match (row.tier, row.tier_since, row.tier_version) {
            (Some(tier), Some(since), Some(version)) => Some(Reached {
                tier: Token::try_new(tier).map_err(|_| bad("tier"))?,
                since,
                program_version: u32::try_from(version).map_err(|_| bad("tier_version"))?,
            }),
            _ => None,
        };
        Ok(Self {
            store: row.store.map(StoreCode::try_new).transpose().map_err(|_| bad("store"))?,
            member_no: row.member_no,
            qualifying: Points(row.qualifying),
            reached,
            changes: row.changes,
            awaiting: row.awaiting,
            active_on: row.active_on,
            warned_of: row.warned_of,
            decided_to: row.decided_to,
            next_due: row.next_due,
            waiting: row.waiting,
        })
    }
}

/// Locks the standings of `members` (id to number and store), opening those that aren't there, and loads them. A copy that
/// waits here for another's commit reads what that commit left: a locking read answers with the row as it is when the lock is
/// granted.
pub async fn load_locked(tx: &mut PgConnection, members: &BTreeMap<MemberId, (&str, &StoreCode)>) -> Result<Standings, Failure> {
    let all: Vec<Uuid> = members.keys().map(|member| member.0).collect();
    let mut standings = lock(tx, &all).await?;
    if standings.len() < members.len() {
        // A row that isn't there can't be locked. Only new members come here; one that another copy is just opening is waited for.
        // These locks come behind those of known members: two copies that open the same ones may deadlock, and one comes again.
        let missing = || members.iter().filter(|(member, _)| !standings.contains_key(member));
        let ids: Vec<Uuid> = missing().map(|(member, _)| member.0).collect();
        sqlx::query!(
            "insert into standing (member_id, member_no, store)
             select u.member_id, u.member_no, u.store from unnest($1::uuid[], $2::text[], $3::text[]) u (member_id, member_no, store)
             order by u.member_id
             on conflict (member_id) do nothing",
            &ids,
            &missing().map(|(_, (number, _))| (*number).to_owned()).collect::<Vec<_>>(),
            &missing().map(|(_, (_, store))| store.to_string()).collect::<Vec<_>>(),
        )
        .execute(&mut *tx)
        .await?;
        standings.append(&mut lock(tx, &ids).await?);
    }
    Ok(standings)
}

/// Locks and loads those that are there.
pub async fn lock(tx: &mut PgConnection, members: &[Uuid]) -> Result<Standings, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select member_id, qualifying, tier, tier_since, tier_version, changes, member_no, store, awaiting, active_on, warned_of,
                decided_to, next_due, waiting
         from standing where member_id = any($1) order by member_id for update",
        members
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| Ok((MemberId(row.member_id), Standing::try_from(row)?)));
    Ok(read.collect::<Result<_, BadRow>>()?)
}

/// Saves locked standings.
pub async fn save(tx: &mut PgConnection, standings: &Standings) -> Result<(), Failure> {
    let each = || standings.values();
    let tiers = || each().map(|standing| standing.reached.as_ref());
    sqlx::query!(
        "update standing s set qualifying = u.qualifying, tier = u.tier, tier_since = u.since, tier_version = u.version,
                changes = u.changes, store = u.store, awaiting = u.awaiting, active_on = u.active_on, warned_of = u.warned_of,
                decided_to = u.decided_to, next_due = u.next_due, waiting = u.waiting
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::text[], $8::bool[],
                     $9::date[], $10::date[], $11::date[], $12::date[], $13::int[])
              u (member_id, qualifying, tier, since, version, changes, store, awaiting, active_on, warned_of, decided_to, next_due,
                 waiting)
         where s.member_id = any($1) and s.member_id = u.member_id",
        &standings.keys().map(|member| member.0).collect::<Vec<_>>(),
        &each().map(|s| s.qualifying.0).collect::<Vec<_>>(),
        &tiers().map(|t| t.map(|t| t.tier.to_string())).collect::<Vec<_>>() as &[Option<String>],
        &tiers().map(|t| t.map(|t| t.since)).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &tiers().map(|t| t.map(|t| i64::from(t.program_version))).collect::<Vec<_>>() as &[Option<i64>],
        &each().map(|s| s.changes).collect::<Vec<_>>(),
        &each().map(|s| s.store.as_ref().map(ToString::to_string)).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|s| s.awaiting).collect::<Vec<_>>(),
        &each().map(|s| s.active_on).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &each().map(|s| s.warned_of).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &each().map(|s| s.decided_to).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &each().map(|s| s.next_due).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &each().map(|s| s.waiting).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Standings behind a member whose tier has ever changed, in the order of the members' ids.
pub async fn list_risen(tx: &mut PgConnection, after: Uuid, limit: i64) -> Result<Standings, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select member_id, qualifying, tier, tier_since, tier_version, changes, member_no, store, awaiting, active_on, warned_of,
                decided_to, next_due, waiting
         from standing where member_id > $1 and changes > 0 order by member_id limit $2",
        after,
        limit
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| Ok((MemberId(row.member_id), Standing::try_from(row)?)));
    Ok(read.collect::<Result<_, BadRow>>()?)
}

/// Who is due on `day`, then who was not seen under the ladder of `version`: at most `limit`.
pub async fn list_due(tx: &mut PgConnection, day: NaiveDate, version: u32, limit: i64) -> Result<Vec<Uuid>, Failure> {
    let mut due =
        sqlx::query_scalar!("select member_id from standing where next_due <= $1 order by next_due, member_id limit $2", day, limit)
            .fetch_all(&mut *tx)
            .await?;
    let rest = limit - i64::try_from(due.len()).unwrap_or(limit);
    if rest > 0 {
        let unseen = sqlx::query_scalar!(
            "select member_id from standing where ladder_version < $1 order by ladder_version, member_id limit $2",
            i64::from(version),
            rest
        )
        .fetch_all(tx)
        .await?;
        due.extend(unseen);
        due.sort_unstable();
        due.dedup();
    }
    Ok(due)
}

/// The day's run saw these under the ladder of `version`.
pub async fn mark_seen(tx: &mut PgConnection, members: &[Uuid], version: u32) -> Result<(), Failure> {
    sqlx::query!("update standing set ladder_version = $2 where member_id = any($1) and ladder_version < $2", members, i64::from(version))
        .execute(tx)
        .await?;
    Ok(())
}

/// The standing of a member number; none for a member of whom nothing was heard.
pub async fn find(pool: &PgPool, member_no: &str) -> Result<Option<(MemberId, Standing)>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select member_id, qualifying, tier, tier_since, tier_version, changes, member_no, store, awaiting, active_on, warned_of,
                decided_to, next_due, waiting
         from standing where member_no = $1",
        member_no
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((MemberId(row.member_id), Standing::try_from(row)?)))
}

/// Who has these numbers: number, member and store, as far as they are known here.
pub async fn list_numbers(pool: &PgPool, numbers: &[String]) -> Result<Vec<(String, MemberId)>, Failure> {
    let rows = sqlx::query!("select member_no, member_id from standing where member_no = any($1)", numbers).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| (row.member_no, MemberId(row.member_id))).collect())
}

/// Members by tier code.
pub async fn count(pool: &PgPool) -> Result<BTreeMap<String, i64>, Failure> {
    let rows = sqlx::query!(r#"select tier as "tier!", count(*) as "members!" from standing where tier is not null group by tier"#)
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|row| (row.tier, row.members)).collect())
}
