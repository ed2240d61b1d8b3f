//! Reads, each one statement.

use std::collections::BTreeMap;

use jifen_contracts::{
    Problem, code,
    endpoint::{
        Contact, Contacts, ContactsReply, ContactsRequest, CountsReply, Empty, MemberCounts, MemberGet, MemberList, MemberListReply,
        MemberListRequest, MemberReply, MemberRequest, MemberSearch, MemberSearchReply, MemberSearchRequest,
    },
};
use jifen_kernel::{PersonName, Phone, Plate, Vin};
use jifen_runtime::{Ctx, Failure, Query, crypto::LookupKind};
use uuid::Uuid;

use crate::{
    domain::MemberNo,
    store::{
        members::{self, StoredContact, StoredMember},
        standings,
    },
    vault::{Vault, VaultError, field},
};

/// One request for contacts may name this many members: what one batch of notifications needs.
const MAX_CONTACTS: usize = 1_000;

/// `api.member.member.get`.
pub struct GetMember;

impl Query for GetMember {
    type Endpoint = MemberGet;

    async fn answer(&self, cx: &Ctx, request: MemberRequest) -> Result<MemberReply, Problem> {
        let unknown = || Problem::new(code::MEMBER_UNKNOWN).at("/member_no");
        let member_no = MemberNo::try_new(&request.member_no).ok_or_else(unknown)?;
        let found = members::list_members(&cx.pool, Some(&member_no), &[]).await.map_err(|error| unavailable(cx, error))?;
        shown(cx, found.into_iter().next().ok_or_else(unknown)?)
    }
}

/// One question may name this many members.
const MAX_LISTED: usize = 1_000;

/// `api.member.member.list`.
pub struct ListMembers;

impl Query for ListMembers {
    type Endpoint = MemberList;

    async fn answer(&self, cx: &Ctx, request: MemberListRequest) -> Result<MemberListReply, Problem> {
        if request.member_nos.len() > MAX_LISTED {
            let detail = format!("{} members, at most {MAX_LISTED}", request.member_nos.len());
            return Err(Problem::new(code::REQUEST_MALFORMED).detail(detail).at("/member_nos"));
        }
        // A number that nobody can have finds nobody.
        let numbers: Vec<String> =
            request.member_nos.iter().filter_map(|number| Some(MemberNo::try_new(number)?.as_str().to_owned())).collect();
        let members = standings::list_states(&cx.pool, &numbers).await.map_err(|error| unavailable(cx, error))?;
        Ok(MemberListReply { members })
    }
}

/// `api.member.member.search`.
pub struct SearchMembers;

impl Query for SearchMembers {
    type Endpoint = MemberSearch;

    async fn answer(&self, cx: &Ctx, request: MemberSearchRequest) -> Result<MemberSearchReply, Problem> {
        let (member_no, keys) = read_search(cx, &request)?;
        let found = members::list_members(&cx.pool, member_no.as_ref(), &keys).await.map_err(|error| unavailable(cx, error))?;
        Ok(MemberSearchReply { members: found.into_iter().map(|member| shown(cx, member)).collect::<Result<_, _>>()? })
    }
}

/// The number and the hashed keys of a search. A number that nobody can have finds nobody.
fn read_search(cx: &Ctx, request: &MemberSearchRequest) -> Result<(Option<MemberNo>, Vec<String>), Problem> {
    let bad = |code, pointer: &str| Problem::new(code).at(pointer);
    let MemberSearchRequest { member_no, phone, vin, plate } = request;
    if [member_no, phone, vin, plate].into_iter().all(Option::is_none) {
        return Err(Problem::new(code::REQUEST_MALFORMED).detail("at least one of member_no, phone, vin and plate").at("/phone"));
    }
    let phone = phone.as_deref().map(Phone::try_new).transpose().map_err(|_| bad(code::MEMBER_BAD_PHONE, "/phone"))?;
    let vin = vin.as_deref().map(Vin::try_new).transpose().map_err(|_| bad(code::MEMBER_BAD_VEHICLE, "/vin"))?;
    let plate = plate.as_deref().map(Plate::try_new).transpose().map_err(|_| bad(code::MEMBER_BAD_VEHICLE, "/plate"))?;
    let keys = [
        phone.map(|phone| cx.lookup.hash(LookupKind::Phone, phone.expose())),
        vin.map(|vin| cx.lookup.hash(LookupKind::Vin, vin.expose())),
        plate.map(|plate| cx.lookup.hash(LookupKind::Plate, plate.expose())),
    ];
    Ok((member_no.as_deref().and_then(MemberNo::try_new), keys.into_iter().flatten().map(|key| key.0).collect()))
}

/// A member with masked values.
fn shown(cx: &Ctx, member: StoredMember) -> Result<MemberReply, Problem> {
    let key = Vault::of(cx).and_then(|vault| vault.data_key(member.member_id, &member.data_key)).map_err(|error| internal(cx, &error))?;
    let open = |field, sealed| key.open(field, sealed).map_err(|error| internal(cx, &error));
    let (name, phone) = (open(field::NAME, &member.name)?, open(field::PHONE, &member.phone)?);
    Ok(MemberReply {
        member_id: member.member_id,
        member_no: member.member_no.to_string(),
        status: member.status,
        store: member.store,
        registered_at: member.registered_at,
        // These types print masked. What the vault holds was read by them; should a later rule be stricter, the
        // reply shows nothing rather than the value.
        name_masked: PersonName::try_new(&name).map_or_else(|_| "*".to_owned(), |name| name.to_string()),
        phone_masked: Phone::try_new(&phone).map_or_else(|_| "*".to_owned(), |phone| phone.to_string()),
        vehicles: u32::try_from(member.vehicles).unwrap_or(u32::MAX),
    })
}

/// `api.member.contacts.batch`: the one door by which personal values leave; only notification has the right to it.
pub struct BatchContacts;

impl Query for BatchContacts {
    type Endpoint = Contacts;

    async fn answer(&self, cx: &Ctx, request: ContactsRequest) -> Result<ContactsReply, Problem> {
        if request.member_ids.len() > MAX_CONTACTS {
            let detail = format!("{} members, at most {MAX_CONTACTS}", request.member_ids.len());
            return Err(Problem::new(code::REQUEST_MALFORMED).detail(detail).at("/member_ids"));
        }
        let ids: Vec<Uuid> = request.member_ids.iter().map(|member| member.0).collect();
        let stored = members::list_contacts(&cx.pool, &ids).await.map_err(|error| unavailable(cx, error))?;
        let vault = Vault::of(cx).map_err(|error| internal(cx, &error))?;
        let (mut contacts, mut unreadable) = (Vec::with_capacity(stored.len()), Vec::new());
        for stored in stored {
            let member_id = stored.member_id;
            match contact(&vault, stored) {
                Ok(contact) => contacts.push(contact),
                Err(error) => {
                    // One member's damaged row must not silence the others of the batch.
                    tracing::error!(service = cx.service, %error, "the vault failed");
                    unreadable.push(member_id);
                }
            }
        }
        Ok(ContactsReply { contacts, unreadable })
    }
}

fn contact(vault: &Vault<'_>, stored: StoredContact) -> Result<Contact, VaultError> {
    let member_id = stored.member_id;
    let key = vault.data_key(member_id, &stored.data_key)?;
    let cannot_open = |_| VaultError::CannotOpen { member: member_id, field: field::PHONE.to_owned() };
    Ok(Contact {
        member_id,
        phone: Phone::try_new(&key.open(field::PHONE, &stored.phone)?).map_err(cannot_open)?.expose_e164(),
        consents: stored.consents,
        wechat_openid: stored.wechat_openid.map(|sealed| key.open(field::WECHAT_OPENID, &sealed)).transpose()?,
        language: stored.language,
        status: stored.status,
    })
}

/// `api.member.member.counts`.
pub struct CountMembers;

impl Query for CountMembers {
    type Endpoint = MemberCounts;

    async fn answer(&self, cx: &Ctx, _: Empty) -> Result<CountsReply, Problem> {
        let states = standings::count_by_status(&cx.pool).await.map_err(|error| unavailable(cx, error))?;
        let mut counts = BTreeMap::from([("members".to_owned(), states.values().sum())]);
        counts.extend(states.into_iter().map(|(state, count)| (format!("members/{state}"), count)));
        Ok(CountsReply { counts })
    }
}

/// The runtime logs failing batches; a failing read is logged here, without what the database may quote.
fn unavailable(cx: &Ctx, error: sqlx::Error) -> Problem {
    tracing::error!(service = cx.service, error = %Failure::from(error), "a read failed");
    Problem::new(code::SERVICE_UNAVAILABLE)
}

fn internal(cx: &Ctx, error: &VaultError) -> Problem {
    tracing::error!(service = cx.service, %error, "the vault failed");
    Problem::new(code::SERVICE_INTERNAL)
}
