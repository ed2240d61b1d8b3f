//! Members' own rows, locked: table `member` with `data_key`.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use jifen_contracts::endpoint::{MemberState, MemberStatus};
use jifen_kernel::{MemberId, StoreCode};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{BadRow, language_word, read_language, read_member_no, read_status, status_word};
use crate::domain::Standing;

/// Locked members by id.
pub type Standings = BTreeMap<MemberId, Standing>;

/// The members of these numbers.
pub async fn find_numbers(tx: &mut PgConnection, numbers: &[String]) -> Result<HashMap<String, MemberId>, sqlx::Error> {
    let rows = sqlx::query!("select member_no, member_id from member where member_no = any($1)", numbers).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|row| (row.member_no, MemberId(row.member_id))).collect())
}

/// Locks members in the order of their ids and reads them. Those who don't exist are missing.
pub async fn load_standings(tx: &mut PgConnection, ids: &[Uuid]) -> Result<Standings, sqlx::Error> {
    let rows = sqlx::query!(
        "select member_id, member_no, store, status, lapses_on, warn_on, sequence, language, birthday_from_year
         from member where member_id = any($1) order by member_id for no key update",
        ids,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let member_id = row.member_id;
        let standing = Standing {
            member_id: MemberId(member_id),
            member_no: read_member_no(member_id, &row.member_no)?,
            store: StoreCode::try_new(row.store).map_err(|_| BadRow { column: "store", member_id })?,
            status: read_status(member_id, &row.status)?,
            lapses_on: row.lapses_on,
            warn_on: row.warn_on,
            sequence: row.sequence,
            language: read_language(member_id, &row.language)?,
            birthday_from_year: row.birthday_from_year,
        };
        Ok((standing.member_id, standing))
    });
    read.collect()
}

/// Saves what may change of locked members.
pub async fn save_standings(tx: &mut PgConnection, standings: &[&Standing]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update member m set status = u.status, lapses_on = u.lapses_on, warn_on = u.warn_on, sequence = u.sequence,
                             language = u.language, birthday_from_year = u.birthday_from_year
         from unnest($1::uuid[], $2::text[], $3::date[], $4::date[], $5::bigint[], $6::text[], $7::int[])
              u(member_id, status, lapses_on, warn_on, sequence, language, birthday_from_year)
         where m.member_id = any($1) and m.member_id = u.member_id",
        &standings.iter().map(|standing| standing.member_id.0).collect::<Vec<_>>(),
        &standings.iter().map(|standing| status_word(standing.status).to_owned()).collect::<Vec<_>>(),
        &standings.iter().map(|standing| standing.lapses_on).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &standings.iter().map(|standing| standing.warn_on).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &standings.iter().map(|standing| standing.sequence).collect::<Vec<_>>(),
        &standings.iter().map(|standing| language_word(standing.language).to_owned()).collect::<Vec<_>>(),
        &standings.iter().map(|standing| standing.birthday_from_year).collect::<Vec<_>>() as &[Option<i32>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Some members whose registration lapses up to `day`, the longest due first.
pub async fn list_lapsing(tx: &mut PgConnection, day: NaiveDate, limit: i64) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("select member_id from member where lapses_on <= $1 order by lapses_on, member_id limit $2", day, limit)
        .fetch_all(tx)
        .await
}

/// Some members whose lapse is to be announced up to `day`.
pub async fn list_to_warn(tx: &mut PgConnection, day: NaiveDate, limit: i64) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("select member_id from member where warn_on <= $1 order by warn_on, member_id limit $2", day, limit)
        .fetch_all(tx)
        .await
}

/// The states of the members of these numbers, by number.
pub async fn list_states(pool: &sqlx::PgPool, numbers: &[String]) -> Result<Vec<MemberState>, sqlx::Error> {
    let rows = sqlx::query!("select member_no, member_id, status from member where member_no = any($1) order by member_no", numbers)
        .fetch_all(pool)
        .await?;
    let read = rows.into_iter().map(|row| {
        let status = read_status(row.member_id, &row.status)?;
        Ok(MemberState { member_id: MemberId(row.member_id), member_no: row.member_no, status })
    });
    read.collect()
}

/// How many members are in each state.
pub async fn count_by_status(pool: &sqlx::PgPool) -> Result<BTreeMap<&'static str, i64>, sqlx::Error> {
    let rows = sqlx::query!("select status, count(*) as \"count!\" from member group by status").fetch_all(pool).await?;
    let known = [MemberStatus::Registered, MemberStatus::Active, MemberStatus::Lapsed].map(status_word);
    let counted = rows.into_iter().filter_map(|row| Some((*known.iter().find(|word| **word == row.status)?, row.count)));
    Ok(counted.collect())
}
