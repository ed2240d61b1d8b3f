//! How many messages there are of each kind and state.

use std::collections::BTreeMap;

use sqlx::PgPool;

/// `<kind>/<state>`, and `<kind>/suppressed/<why>`, to count. Reads the whole table: for people, now and then.
pub async fn count(pool: &PgPool) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let rows =
        sqlx::query!(r#"select concat_ws('/', kind, state, why) as "word!", count(*) as "count!" from send group by kind, state, why"#)
            .fetch_all(pool)
            .await?;
    Ok(rows.into_iter().map(|row| (row.word, row.count)).collect())
}
