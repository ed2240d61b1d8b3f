//! Members and their vault: tables `member`, `data_key`, `personal`, `vehicle`, `consent`.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::endpoint::{Language, MemberStatus};
use jifen_kernel::MemberId;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    language_word,
    profiles::{self, StoredVehicle},
    read_language, read_member_no, read_status, status_word,
};
use crate::{
    domain::{Candidate, MemberNo, Vehicle},
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
    let applicants = || members.iter().map(|member| &member.candidate.applicant);
    let deadlines = || applicants().map(|applicant| applicant.deadline);
    let ids: Vec<Uuid> = members.iter().map(|member| member.candidate.member_id.0).collect();
    let numbers: Vec<String> = members.iter().map(|member| member.member_no.to_string()).collect();
    let stores: Vec<String> = members.iter().map(|member| member.candidate.applicant.store.to_string()).collect();
    let data_keys: Vec<Vec<u8>> = members.iter().map(|member| member.sealed.data_key.clone()).collect();
    sqlx::query!(
        "with new_member as (
             insert into member (member_id, member_no, sequence, status, store, registered_at, lapses_on, warn_on, language)
             select u.member_id, u.member_no, 1, u.status, u.store, $6, u.lapses_on, u.warn_on, u.language
             from unnest($1::uuid[], $2::text[], $3::text[], $5::text[], $7::date[], $8::date[], $9::text[])
                  u(member_id, member_no, store, status, lapses_on, warn_on, language)
         )
         insert into data_key (member_id, sealed) select * from unnest($1::uuid[], $4::bytea[])",
        &ids,
        &numbers,
        &stores,
        &data_keys,
        &applicants().map(|applicant| status_word(applicant.status()).to_owned()).collect::<Vec<_>>(),
        now,
        &deadlines().map(|deadline| deadline.map(|deadline| deadline.lapses_on)).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &deadlines().map(|deadline| deadline.and_then(|deadline| deadline.warn_on)).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &applicants().map(|applicant| language_word(applicant.language).to_owned()).collect::<Vec<_>>(),
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
    let numbered = |member: &NewMember<'_>| {
        let vehicles = (1_i16..).zip(&member.candidate.applicant.vehicles);
        let stored = |(number, vehicle): (i16, &Vehicle)| StoredVehicle {
            number,
            owned_since: vehicle.owned_since,
            series: vehicle.series.clone(),
            new_on: vehicle.new_on,
        };
        vehicles.map(|vehicle| (member.candidate.member_id, stored(vehicle))).collect::<Vec<_>>()
    };
    profiles::save_vehicles(tx, &members.iter().flat_map(numbered).collect::<Vec<_>>()).await
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

/// Members behind one, in the order of their ids, with the time of their registration.
pub async fn list_after(tx: &mut PgConnection, after: Uuid, limit: i64) -> Result<BTreeMap<MemberId, DateTime<Utc>>, sqlx::Error> {
    let rows = sqlx::query!("select member_id, registered_at from member where member_id > $1 order by member_id limit $2", after, limit)
        .fetch_all(tx)
        .await?;
    Ok(rows.into_iter().map(|row| (MemberId(row.member_id), row.registered_at)).collect())
}

/// A member, with name and phone still sealed.
pub struct StoredMember {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: MemberNo,
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

/// The members of a number or of keys, by number.
pub async fn list_members(pool: &PgPool, member_no: Option<&MemberNo>, keys: &[String]) -> Result<Vec<StoredMember>, sqlx::Error> {
    let rows = sqlx::query!(
        "select m.member_id, m.member_no, m.status, m.store, m.registered_at, k.sealed as data_key, name.sealed as name,
                phone.sealed as phone, (select count(*) from vehicle v where v.member_id = m.member_id) as \"vehicles!\"
         from (select member_id from member where member_no = $1
               union select member_id from identity where hash = any($2)) found
         join member m using (member_id)
         join data_key k using (member_id)
         join personal name on name.member_id = m.member_id and name.field = $3
         join personal phone on phone.member_id = m.member_id and phone.field = $4
         order by m.member_no",
        member_no.map(MemberNo::as_str),
        keys,
        field::NAME,
        field::PHONE,
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| {
        Ok(StoredMember {
            member_id: MemberId(row.member_id),
            member_no: read_member_no(row.member_id, &row.member_no)?,
            status: read_status(row.member_id, &row.status)?,
            store: row.store,
            registered_at: row.registered_at,
            data_key: row.data_key,
            name: row.name,
            phone: row.phone,
            vehicles: row.vehicles,
        })
    });
    read.collect()
}

/// How to reach a member, with the phone still sealed.
pub struct StoredContact {
    /// The member.
    pub member_id: MemberId,
    /// The member's key, sealed.
    pub data_key: Vec<u8>,
    /// The phone, sealed.
    pub phone: Vec<u8>,
    /// The identity at WeChat, sealed.
    pub wechat_openid: Option<Vec<u8>>,
    /// `<channel>:<purpose>`, sorted.
    pub consents: Vec<String>,
    /// The language to be told in.
    pub language: Language,
    /// The state.
    pub status: MemberStatus,
}

/// Contacts of those that exist.
pub async fn list_contacts(pool: &PgPool, member_ids: &[Uuid]) -> Result<Vec<StoredContact>, sqlx::Error> {
    let rows = sqlx::query!(
        "select p.member_id, k.sealed as data_key, p.sealed as phone, m.language, m.status,
                (select w.sealed from personal w where w.member_id = p.member_id and w.field = $3) as wechat_openid,
                array(select c.channel || ':' || c.purpose from consent c where c.member_id = p.member_id and c.granted order by 1)
                    as \"consents!\"
         from personal p join data_key k using (member_id) join member m using (member_id)
         where p.member_id = any($1) and p.field = $2",
        member_ids,
        field::PHONE,
        field::WECHAT_OPENID,
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| {
        Ok(StoredContact {
            member_id: MemberId(row.member_id),
            data_key: row.data_key,
            phone: row.phone,
            wechat_openid: row.wechat_openid,
            consents: row.consents,
            language: read_language(row.member_id, &row.language)?,
            status: read_status(row.member_id, &row.status)?,
        })
    });
    read.collect()
}
