//! Members and their vault: tables `member`, `data_key`, `personal`, `vehicle`, `consent`.

use chrono::{DateTime, Utc};
use jifen_contracts::endpoint::MemberStatus;
use jifen_kernel::MemberId;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{read_status, status_word};
use crate::{
    domain::{Candidate, MemberNo},
    vault::{SealedMember, field},
};

/// A registration to save.
pub struct NewMember<'a> {
    /// Who.
    pub candidate: &'a Candidate,
    /// The number given.
    pub member_no: MemberNo,
    /// The personal values.
    pub sealed: SealedMember,
}

/// Takes `count` ordinals for member numbers, each once for ever.
pub async fn take_ordinals(tx: &mut PgConnection, count: i64) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!("select nextval('member_no_sequence') as \"ordinal!\" from generate_series(1, $1::bigint)", count)
        .fetch_all(tx)
        .await
}

/// Saves new members with everything that belongs to them.
pub async fn save_members(tx: &mut PgConnection, members: &[NewMember<'_>], now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = members.iter().map(|member| member.candidate.member_id.0).collect();
    let numbers: Vec<String> = members.iter().map(|member| member.member_no.to_string()).collect();
    let stores: Vec<String> = members.iter().map(|member| member.candidate.applicant.store.to_string()).collect();
    let data_keys: Vec<Vec<u8>> = members.iter().map(|member| member.sealed.data_key.clone()).collect();
    sqlx::query!(
        "with new_member as (
             insert into member (member_id, member_no, sequence, status, store, registered_at)
             select u.member_id, u.member_no, 1, $5, u.store, $6
             from unnest($1::uuid[], $2::text[], $3::text[]) u(member_id, member_no, store)
         )
         insert into data_key (member_id, sealed) select * from unnest($1::uuid[], $4::bytea[])",
        &ids,
        &numbers,
        &stores,
        &data_keys,
        status_word(MemberStatus::Active),
        now,
    )
    .execute(&mut *tx)
    .await?;
    save_personal(tx, members).await?;
    save_vehicles(tx, members).await?;
    save_consents(tx, members, now).await
}

async fn save_personal(tx: &mut PgConnection, members: &[NewMember<'_>]) -> Result<(), sqlx::Error> {
    let (mut ids, mut fields, mut values) = (Vec::<Uuid>::new(), Vec::<String>::new(), Vec::<Vec<u8>>::new());
    for member in members {
        for (field, sealed) in &member.sealed.personal {
            ids.push(member.candidate.member_id.0);
            fields.push(field.clone());
            values.push(sealed.clone());
        }
    }
    sqlx::query!(
        "insert into personal (member_id, field, sealed) select * from unnest($1::uuid[], $2::text[], $3::bytea[])",
        &ids,
        &fields,
        &values,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn save_vehicles(tx: &mut PgConnection, members: &[NewMember<'_>]) -> Result<(), sqlx::Error> {
    let (mut ids, mut numbers, mut since) = (Vec::new(), Vec::new(), Vec::new());
    for member in members {
        for (vehicle_no, vehicle) in (1_i16..).zip(&member.candidate.applicant.vehicles) {
            ids.push(member.candidate.member_id.0);
            numbers.push(vehicle_no);
            since.push(vehicle.owned_since);
        }
    }
    sqlx::query!(
        "insert into vehicle (member_id, vehicle_no, owned_since) select * from unnest($1::uuid[], $2::smallint[], $3::date[])",
        &ids,
        &numbers,
        &since,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn save_consents(tx: &mut PgConnection, members: &[NewMember<'_>], now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let (mut ids, mut channels, mut purposes) = (Vec::<Uuid>::new(), Vec::<String>::new(), Vec::<String>::new());
    for member in members {
        for consent in &member.candidate.applicant.consents {
            ids.push(member.candidate.member_id.0);
            channels.push(consent.channel.as_str().to_owned());
            purposes.push(consent.purpose.as_str().to_owned());
        }
    }
    sqlx::query!(
        "insert into consent (member_id, channel, purpose, granted_at)
         select u.member_id, u.channel, u.purpose, $4 from unnest($1::uuid[], $2::text[], $3::text[]) u(member_id, channel, purpose)",
        &ids,
        &channels,
        &purposes,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A member, with name and phone still sealed.
pub struct StoredMember {
    /// The member.
    pub member_id: MemberId,
    /// The state.
    pub status: MemberStatus,
    /// The store that signed the member up.
    pub store: String,
    /// When.
    pub registered_at: DateTime<Utc>,
    /// The member's key, sealed.
    pub data_key: Vec<u8>,
    /// The name, sealed.
    pub name: Vec<u8>,
    /// The phone, sealed.
    pub phone: Vec<u8>,
    /// How many cars.
    pub vehicles: i64,
}

/// The member of a number.
pub async fn load_member(pool: &PgPool, member_no: &MemberNo) -> Result<Option<StoredMember>, sqlx::Error> {
    let row = sqlx::query!(
        "select m.member_id, m.status, m.store, m.registered_at, k.sealed as data_key, name.sealed as name, phone.sealed as phone,
                (select count(*) from vehicle v where v.member_id = m.member_id) as \"vehicles!\"
         from member m
         join data_key k using (member_id)
         join personal name on name.member_id = m.member_id and name.field = $2
         join personal phone on phone.member_id = m.member_id and phone.field = $3
         where m.member_no = $1",
        member_no.as_str(),
        field::NAME,
        field::PHONE,
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(StoredMember {
            member_id: MemberId(row.member_id),
            status: read_status(row.member_id, &row.status)?,
            store: row.store,
            registered_at: row.registered_at,
            data_key: row.data_key,
            name: row.name,
            phone: row.phone,
            vehicles: row.vehicles,
        })
    })
    .transpose()
}

/// How to reach a member, with the phone still sealed.
pub struct StoredContact {
    /// The member.
    pub member_id: MemberId,
    /// The member's key, sealed.
    pub data_key: Vec<u8>,
    /// The phone, sealed.
    pub phone: Vec<u8>,
    /// `<channel>:<purpose>`, sorted.
    pub consents: Vec<String>,
}

/// Contacts of those that exist.
pub async fn list_contacts(pool: &PgPool, member_ids: &[Uuid]) -> Result<Vec<StoredContact>, sqlx::Error> {
    let rows = sqlx::query!(
        "select p.member_id, k.sealed as data_key, p.sealed as phone,
                array(select c.channel || ':' || c.purpose from consent c where c.member_id = p.member_id order by 1) as \"consents!\"
         from personal p join data_key k using (member_id)
         where p.member_id = any($1) and p.field = $2",
        member_ids,
        field::PHONE,
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| StoredContact {
        member_id: MemberId(row.member_id),
        data_key: row.data_key,
        phone: row.phone,
        consents: row.consents,
    });
    Ok(read.collect())
}

/// How many members there are.
pub async fn count_members(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!("select count(*) as \"count!\" from member").fetch_one(pool).await
}
