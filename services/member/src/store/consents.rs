//! What members agree to: table `consent`.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use jifen_kernel::MemberId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{Channel, Consent, Purpose};

/// What was ever said about consents of locked members: granted or not. Words of another release are left out.
pub async fn load_consents(tx: &mut PgConnection, members: &[Uuid]) -> Result<HashMap<MemberId, BTreeMap<Consent, bool>>, sqlx::Error> {
    let rows =
        sqlx::query!("select member_id, channel, purpose, granted from consent where member_id = any($1)", members).fetch_all(tx).await?;
    let mut consents: HashMap<MemberId, BTreeMap<Consent, bool>> = HashMap::new();
    for row in rows {
        if let (Some(channel), Some(purpose)) = (Channel::from_word(&row.channel), Purpose::from_word(&row.purpose)) {
            consents.entry(MemberId(row.member_id)).or_default().insert(Consent { channel, purpose }, row.granted);
        }
    }
    Ok(consents)
}

/// Saves consents as they are said now.
pub async fn save_consents(
    tx: &mut PgConnection,
    said: &BTreeMap<(MemberId, Consent), bool>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into consent (member_id, channel, purpose, granted, granted_at)
         select u.*, $5 from unnest($1::uuid[], $2::text[], $3::text[], $4::bool[]) u(member_id, channel, purpose, granted)
         on conflict (member_id, channel, purpose) do update set granted = excluded.granted, granted_at = excluded.granted_at",
        &said.keys().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &said.keys().map(|(_, consent)| consent.channel.as_str().to_owned()).collect::<Vec<_>>(),
        &said.keys().map(|(_, consent)| consent.purpose.as_str().to_owned()).collect::<Vec<_>>(),
        &said.values().copied().collect::<Vec<_>>(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
