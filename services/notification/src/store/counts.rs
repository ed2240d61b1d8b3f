//! How many messages there are of each kind and state.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// `<kind>/<state>` to count; `<kind>/suppressed/<why>`; `<kind>/commanded/silent` for those of which no gateway said a word in their
/// time; `<kind>/<state>/delivered_late` for those that arrived after all. Reads the whole table: for people, now and then.
pub async fn count(pool: &PgPool, now: DateTime<Utc>) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select concat_ws('/', kind, state, note) as "word!", count(*) as "count!"
           from (select kind, state, case when why is not null then why when delivered_late then 'delivered_late'
                                          when state = 'commanded' and not_after < $1 then 'silent' end as note from send) noted
           group by kind, state, note"#,
        now
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.word, row.count)).collect())
}
