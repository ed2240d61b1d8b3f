//! Messages that wait: which are due, how much of a week is used up, what became of them.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::notify::Channel;
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;

use crate::domain::{delivery::State, due::Due, due::Waiting};

/// Locks the messages that are due, the oldest first.
pub async fn load_locked(tx: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<Vec<Waiting>, Failure> {
    let rows = sqlx::query!(
        r#"select member_id, kind, business_key, attempt, notification_id, store, program_version, channel, drop_at as "drop_at!",
                  coalesce(facts, '') as "facts!"
           from send where due_at is not null and due_at <= $1 order by due_at, member_id limit $2 for update"#,
        now,
        limit
    )
    .fetch_all(tx)
    .await?;
    let waiting = rows.into_iter().map(|row| {
        let bad = |what| BadRow { table: "send", key: row.notification_id.to_string(), what };
        Ok(Waiting {
            member_id: MemberId(row.member_id),
            kind: row.kind,
            business_key: row.business_key,
            attempt: row.attempt,
            notification_id: row.notification_id,
            store: StoreCode::try_new(&row.store).map_err(|_| bad("store"))?,
            program_version: u32::try_from(row.program_version).map_err(|_| bad("program_version"))?,
            channel: Channel::from_word(&row.channel).ok_or_else(|| bad("channel"))?,
            drop_at: row.drop_at,
            sealed: row.facts,
        })
    });
    waiting.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// How much advertising these members have had in a week.
pub async fn count_promotions(tx: &mut PgConnection, members: &[MemberId], week: NaiveDate) -> Result<HashMap<MemberId, u32>, Failure> {
    let members: Vec<_> = members.iter().map(|member| member.0).collect();
    let rows = sqlx::query!(
        r#"select member_id, count(*) as "count!" from send where member_id = any($1) and promotion_week = $2 group by member_id"#,
        &members,
        week
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (MemberId(row.member_id), u32::try_from(row.count).unwrap_or(u32::MAX))).collect())
}

struct Columns {
    state: &'static str,
    why: Option<String>,
    channel: String,
    template: String,
    not_after: Option<DateTime<Utc>>,
    due_at: Option<DateTime<Utc>>,
    week: Option<NaiveDate>,
    keep: bool,
}

fn columns(waiting: &Waiting, due: &Due, week: NaiveDate) -> Columns {
    let mut columns = Columns {
        state: State::Waiting.as_str(),
        why: None,
        channel: waiting.channel.as_str().to_owned(),
        template: String::new(),
        not_after: None,
        due_at: None,
        week: None,
        keep: false,
    };
    match due {
        Due::Send { command, channel, more, counts } => {
            columns.state = State::Commanded.as_str();
            channel.as_str().clone_into(&mut columns.channel);
            (columns.template, columns.not_after) = (command.template.clone(), Some(command.not_after));
            (columns.week, columns.keep) = (counts.then_some(week), *more);
        }
        Due::Later(at) => (columns.due_at, columns.keep) = (Some(*at), true),
        Due::Drop(why) => (columns.state, columns.why) = (State::Suppressed.as_str(), Some(why.as_str().to_owned())),
    }
    columns
}

/// Writes what became of them.
pub async fn save(tx: &mut PgConnection, decided: &[(Waiting, Due)], week: NaiveDate) -> Result<(), Failure> {
    if decided.is_empty() {
        return Ok(());
    }
    let columns: Vec<Columns> = decided.iter().map(|(waiting, due)| columns(waiting, due, week)).collect();
    let waiting = || decided.iter().map(|(waiting, _)| waiting);
    sqlx::query!(
        "update send s set state = u.state, why = u.why, channel = u.channel, template = u.template, not_after = u.not_after,
                due_at = u.due_at, promotion_week = u.week, facts = case when u.keep then s.facts end
         from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::timestamptz[], $10::timestamptz[], $11::date[], $12::bool[])
              u(member_id, kind, business_key, attempt, state, why, channel, template, not_after, due_at, week, keep)
         where s.member_id = u.member_id and s.kind = u.kind and s.business_key = u.business_key and s.attempt = u.attempt",
        &waiting().map(|waiting| waiting.member_id.0).collect::<Vec<_>>(),
        &waiting().map(|waiting| waiting.kind.clone()).collect::<Vec<_>>(),
        &waiting().map(|waiting| waiting.business_key.clone()).collect::<Vec<_>>(),
        &waiting().map(|waiting| waiting.attempt).collect::<Vec<_>>(),
        &columns.iter().map(|row| row.state.to_owned()).collect::<Vec<_>>(),
        &columns.iter().map(|row| row.why.clone()).collect::<Vec<_>>() as &[Option<String>],
        &columns.iter().map(|row| row.channel.clone()).collect::<Vec<_>>(),
        &columns.iter().map(|row| row.template.clone()).collect::<Vec<_>>(),
        &columns.iter().map(|row| row.not_after).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &columns.iter().map(|row| row.due_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &columns.iter().map(|row| row.week).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &columns.iter().map(|row| row.keep).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Drops the facts of messages whose time was over before `over`: no gateway will say anything of them any more.
pub async fn forget(tx: &mut PgConnection, over: DateTime<Utc>, limit: i64) -> Result<(), Failure> {
    sqlx::query!(
        "update send s set facts = null
         from (select member_id, kind, business_key, attempt from send
               where facts is not null and not_after is not null and not_after < $1 order by not_after limit $2) old
         where s.member_id = old.member_id and s.kind = old.kind and s.business_key = old.business_key and s.attempt = old.attempt",
        over,
        limit
    )
    .execute(tx)
    .await?;
    Ok(())
}
