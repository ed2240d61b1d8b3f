//! What is remembered of members, and whose birthday it is.

use std::collections::HashMap;

use chrono::NaiveDate;
use jifen_kernel::{MemberId, StoreCode, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::occasion::Learned;

/// Takes what was learned, each with its sequence: a later one replaces an earlier one, whichever comes first.
pub async fn learn(tx: &mut PgConnection, learned: &[(Learned, i64)]) -> Result<(), Failure> {
    learn_birthdays(&mut *tx, learned).await?;
    learn_states(&mut *tx, learned).await?;
    learn_tiers(tx, learned).await
}

/// Of several with one key the one with the highest sequence, in key order: a statement can't touch a row twice.
fn last_by_member<T>(all: impl Iterator<Item = (MemberId, i64, T)>) -> Vec<(MemberId, i64, T)> {
    let mut last: HashMap<MemberId, (i64, T)> = HashMap::new();
    for (member, sequence, value) in all {
        if last.get(&member).is_none_or(|(known, _)| *known < sequence) {
            last.insert(member, (sequence, value));
        }
    }
    let mut last: Vec<_> = last.into_iter().map(|(member, (sequence, value))| (member, sequence, value)).collect();
    last.sort_unstable_by_key(|(member, ..)| *member);
    last
}

async fn learn_birthdays(tx: &mut PgConnection, learned: &[(Learned, i64)]) -> Result<(), Failure> {
    let rows = last_by_member(learned.iter().filter_map(|(learned, sequence)| match learned {
        Learned::Member { member_id, store, birthday, from_year, .. } => Some((*member_id, *sequence, (store, *birthday, *from_year))),
        _ => None,
    }));
    if rows.is_empty() {
        return Ok(());
    }
    let small = |value: u32| i16::try_from(value).unwrap_or(0);
    sqlx::query!(
        "insert into member as m (member_id, store, sequence, month, day, from_year)
         select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::smallint[], $5::smallint[], $6::int[])
         on conflict (member_id) do update set
             store = excluded.store, sequence = excluded.sequence, month = excluded.month, day = excluded.day, from_year = excluded.from_year,
             prior_month = case when (m.month, m.day) is distinct from (excluded.month, excluded.day) then m.month else m.prior_month end,
             prior_day = case when (m.month, m.day) is distinct from (excluded.month, excluded.day) then m.day else m.prior_day end
         where m.sequence < excluded.sequence",
        &rows.iter().map(|row| row.0.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.2.0.to_string()).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.2.1.map(|(month, _)| small(month))).collect::<Vec<_>>() as &[Option<i16>],
        &rows.iter().map(|row| row.2.1.map(|(_, day)| small(day))).collect::<Vec<_>>() as &[Option<i16>],
        &rows.iter().map(|row| row.2.2).collect::<Vec<_>>() as &[Option<i32>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn learn_states(tx: &mut PgConnection, learned: &[(Learned, i64)]) -> Result<(), Failure> {
    let rows = last_by_member(learned.iter().filter_map(|(learned, sequence)| match learned {
        Learned::Member { member_id, store, active, .. } | Learned::Active { member_id, store, active } => {
            Some((*member_id, *sequence, (store, *active)))
        }
        Learned::Tier { .. } => None,
    }));
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into member as m (member_id, store, active_sequence, active)
         select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bool[])
         on conflict (member_id) do update set active_sequence = excluded.active_sequence, active = excluded.active,
             store = coalesce(m.store, excluded.store)
         where m.active_sequence < excluded.active_sequence",
        &rows.iter().map(|row| row.0.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.2.0.to_string()).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.2.1).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn learn_tiers(tx: &mut PgConnection, learned: &[(Learned, i64)]) -> Result<(), Failure> {
    let rows = last_by_member(learned.iter().filter_map(|(learned, _)| match learned {
        Learned::Tier { member_id, tier, ordinal } => Some((*member_id, *ordinal, tier)),
        _ => None,
    }));
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into member as m (member_id, tier_ordinal, tier)
         select * from unnest($1::uuid[], $2::bigint[], $3::text[])
         on conflict (member_id) do update set tier_ordinal = excluded.tier_ordinal, tier = excluded.tier
         where m.tier_ordinal < excluded.tier_ordinal",
        &rows.iter().map(|row| row.0.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.2.to_string()).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The tiers of members, as far as they are known.
pub async fn load_tiers(tx: &mut PgConnection, members: &[MemberId]) -> Result<HashMap<MemberId, String>, Failure> {
    let members: Vec<Uuid> = members.iter().map(|member| member.0).collect();
    let rows = sqlx::query!(r#"select member_id, tier as "tier!" from member where member_id = any($1) and tier is not null"#, &members);
    Ok(rows.fetch_all(tx).await?.into_iter().map(|row| (MemberId(row.member_id), row.tier)).collect())
}

/// A member whose birthday it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Celebrates {
    /// Who.
    pub member_id: MemberId,
    /// The member's store.
    pub store: StoreCode,
    /// The tier, if it is known.
    pub tier: Option<Token>,
}

/// Active members with one of these birthdays in the year of `day`, behind `after` in the order of their ids.
pub async fn list_birthdays(
    tx: &mut PgConnection,
    birthdays: &[(u32, u32)],
    day: NaiveDate,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Celebrates>, Failure> {
    let small = |value: u32| i16::try_from(value).unwrap_or(0);
    let (months, days): (Vec<i16>, Vec<i16>) = birthdays.iter().map(|(month, day)| (small(*month), small(*day))).unzip();
    let rows = sqlx::query!(
        r#"select m.member_id as "member_id!", m.store as "store!", m.tier from (
               select b.member_id, b.store, b.tier from unnest($1::smallint[], $2::smallint[]) u(month, day)
               join member b on b.month = u.month and b.day = u.day
               where b.member_id > $3 and b.active and (b.from_year is null or b.from_year <= $4)
               union
               select b.member_id, b.store, b.tier from unnest($1::smallint[], $2::smallint[]) u(month, day)
               join member b on b.prior_month = u.month and b.prior_day = u.day
               where b.member_id > $3 and b.active and b.from_year > $4) m
           where m.store is not null order by m.member_id limit $5"#,
        &months,
        &days,
        after,
        chrono::Datelike::year(&day),
        limit
    )
    .fetch_all(tx)
    .await?;
    let celebrates = rows.into_iter().map(|row| {
        let bad = |what| BadRow { table: "member", key: row.member_id.to_string(), what };
        let store = StoreCode::try_new(&row.store).map_err(|_| bad("store"))?;
        Ok(Celebrates { member_id: MemberId(row.member_id), store, tier: row.tier.and_then(|tier| Token::try_new(&tier).ok()) })
    });
    celebrates.collect::<Result<_, BadRow>>().map_err(Failure::from)
}
