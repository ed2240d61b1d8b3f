//! What can be asked of members: one mutation, three reads, each read one statement.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, SubsecRound, Utc};
use jifen_contracts::{
    KeyedHash, Problem, code,
    endpoint::{
        Contact, Contacts, ContactsReply, ContactsRequest, CountsReply, Empty, Language, MemberCounts, MemberGet, MemberReply,
        MemberRequest, MemberStatus, Register, RegisterReply, RegisterRequest,
    },
};
use jifen_kernel::{MemberId, PersonName, Phone, clock::local_date};
use jifen_runtime::{
    Asked, Ctx, Failure, Mutation, Outbox, Query,
    crypto::{LookupKey, LookupKind},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::{Applicant, Candidate, Decision, Keys, Known, MemberNo, Rejection, decide_register, read_applicant},
    outbound,
    store::{
        identities::{self, Claims},
        members::{self, NewMember},
    },
    vault::{Vault, VaultError, field},
};

/// One request for contacts may name this many members: what one batch of notifications needs.
const MAX_CONTACTS: usize = 1_000;

type Answer = Result<RegisterReply, Problem>;

/// `api.member.member.register`.
pub struct RegisterMembers;

impl Mutation for RegisterMembers {
    type Endpoint = Register;
    type Prepared = ();

    fn operation_id(request: &RegisterRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<RegisterRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<RegisterRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Answer>, Failure> {
        // As exact as the database, so that event and row name the same instant.
        let now = out.now().trunc_subsecs(6);
        let Some(program) = cx.programs.in_force_at(now) else {
            let unavailable = || Problem::new(code::SERVICE_UNAVAILABLE).detail("no program is in force yet");
            return Ok(batch.iter().map(|_| Err(unavailable())).collect());
        };
        let program = &program.program;
        let today = local_date(now, program.time_zone());
        let candidates: Vec<Result<Candidate, Rejection>> = batch
            .iter()
            .map(|asked| read_applicant(&asked.request, program, today).map(|applicant| candidate(cx, now, applicant)))
            .collect();

        let claims = claims_of(&candidates);
        let (mut known, free) = load_known(tx, &claims).await?;
        let decisions = decide(tx, &candidates, &mut known).await?;
        give_keys(tx, &claims, &free, &known).await?;
        save(cx, tx, &candidates, &decisions, now).await?;

        let mut answers = Vec::with_capacity(batch.len());
        for (asked, (candidate, decision)) in batch.iter().zip(candidates.iter().zip(&decisions)) {
            answers.push(match (candidate, decision) {
                (Ok(candidate), Decision::Registered(member_no)) => {
                    out.event(&asked.cause, Some(1), &outbound::registered(candidate, member_no, now));
                    Ok(outbound::new_member(candidate, member_no))
                }
                (_, Decision::Existing(owner)) => Ok(outbound::existing_member(owner)),
                (Err(rejection), _) | (_, Decision::Rejected(rejection)) => Err(outbound::problem(rejection)),
            });
        }
        Ok(answers)
    }
}

fn candidate(cx: &Ctx, now: DateTime<Utc>, applicant: Applicant) -> Candidate {
    Candidate { member_id: MemberId(cx.ids.next(now)), keys: keys_of(&cx.lookup, &applicant), applicant }
}

fn keys_of(lookup: &LookupKey, applicant: &Applicant) -> Keys {
    let vehicles = applicant.vehicles.iter().map(|vehicle| {
        let vin = vehicle.vin.as_ref().map(|vin| lookup.hash(LookupKind::Vin, vin.expose()));
        (vin, vehicle.plate.as_ref().map(|plate| lookup.hash(LookupKind::Plate, plate.expose())))
    });
    Keys { phone: lookup.hash(LookupKind::Phone, applicant.phone.expose()), vehicles: vehicles.collect() }
}

/// Every key of the batch, for now to the first who asked for it.
fn claims_of(candidates: &[Result<Candidate, Rejection>]) -> Claims {
    let mut claims = Claims::new();
    for candidate in candidates.iter().flatten() {
        for (kind, key) in candidate.keys.iter() {
            claims.entry(key.clone()).or_insert((kind, candidate.member_id));
        }
    }
    claims
}

/// Claims what is free and reads who has the rest. Also says which were free.
async fn load_known(tx: &mut PgConnection, claims: &Claims) -> Result<(Known, Vec<KeyedHash>), Failure> {
    if claims.is_empty() {
        return Ok((Known::default(), Vec::new()));
    }
    let free = identities::claim_identities(tx, claims).await?;
    let (free, taken): (Vec<KeyedHash>, Vec<KeyedHash>) = claims.keys().cloned().partition(|key| free.contains(key));
    let owners = if taken.is_empty() {
        HashMap::new()
    } else {
        let hashes: Vec<String> = taken.iter().map(|key| key.0.clone()).collect();
        identities::load_owners(tx, &hashes).await?
    };
    if owners.len() < taken.len() {
        return Err(Failure::transient("an identity vanished between two statements"));
    }
    Ok((Known::new(owners), free))
}

/// Decides in the order of the batch, with a number at hand for each who may need one.
async fn decide(tx: &mut PgConnection, candidates: &[Result<Candidate, Rejection>], known: &mut Known) -> Result<Vec<Decision>, Failure> {
    let unknown = candidates.iter().flatten().filter(|candidate| known.owner(&candidate.keys.phone).is_none()).count();
    let ordinals = match i64::try_from(unknown).map_err(Failure::defect)? {
        0 => Vec::new(),
        count => members::take_ordinals(tx, count).await?,
    };
    let mut numbers = ordinals.into_iter().filter_map(MemberNo::of_ordinal);
    let decide = candidates.iter().map(|candidate| match candidate {
        Ok(candidate) => {
            decide_register(known, candidate, &mut numbers).ok_or_else(|| Failure::defect("the sequence of member numbers ran dry"))
        }
        Err(rejection) => Ok(Decision::Rejected(rejection.clone())),
    });
    decide.collect()
}

/// Brings the claims in line with the decisions: a key may have gone to another of the batch, or to nobody.
async fn give_keys(tx: &mut PgConnection, claims: &Claims, free: &[KeyedHash], known: &Known) -> Result<(), Failure> {
    let (mut reassigned, mut released): (Vec<(String, Uuid)>, Vec<String>) = (Vec::new(), Vec::new());
    for key in free {
        let claimed_for = claims.get(key).map(|(_, member)| *member);
        match known.owner(key).map(|owner| owner.member_id) {
            None => released.push(key.0.clone()),
            Some(owner) if Some(owner) != claimed_for => reassigned.push((key.0.clone(), owner.0)),
            Some(_) => {}
        }
    }
    if !released.is_empty() {
        identities::release_identities(tx, &released).await?;
    }
    if !reassigned.is_empty() {
        identities::reassign_identities(tx, &reassigned).await?;
    }
    Ok(())
}

async fn save(
    cx: &Ctx,
    tx: &mut PgConnection,
    candidates: &[Result<Candidate, Rejection>],
    decisions: &[Decision],
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let vault = Vault::of(cx)?;
    let mut new = Vec::new();
    for (candidate, decision) in candidates.iter().zip(decisions) {
        if let (Ok(candidate), Decision::Registered(member_no)) = (candidate, decision) {
            let sealed = vault.seal(candidate.member_id, &candidate.applicant);
            new.push(NewMember { candidate, member_no: member_no.clone(), sealed });
        }
    }
    if !new.is_empty() {
        members::save_members(tx, &new, now).await?;
    }
    Ok(())
}

/// `api.member.member.get`.
pub struct GetMember;

impl Query for GetMember {
    type Endpoint = MemberGet;

    async fn answer(&self, cx: &Ctx, request: MemberRequest) -> Result<MemberReply, Problem> {
        let unknown = || Problem::new(code::MEMBER_UNKNOWN).at("/member_no");
        let member_no = MemberNo::try_new(&request.member_no).ok_or_else(unknown)?;
        let found = members::load_member(&cx.pool, &member_no).await.map_err(|error| unavailable(cx, error))?;
        let member = found.ok_or_else(unknown)?;
        let key =
            Vault::of(cx).and_then(|vault| vault.data_key(member.member_id, &member.data_key)).map_err(|error| internal(cx, &error))?;
        let open = |field, sealed| key.open(field, sealed).map_err(|error| internal(cx, &error));
        let (name, phone) = (open(field::NAME, &member.name)?, open(field::PHONE, &member.phone)?);
        Ok(MemberReply {
            member_id: member.member_id,
            member_no: member_no.to_string(),
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
        for contact in stored {
            let phone = vault.data_key(contact.member_id, &contact.data_key).and_then(|key| key.open(field::PHONE, &contact.phone));
            let cannot_open = |_| VaultError::CannotOpen { member: contact.member_id, field: field::PHONE.to_owned() };
            match phone.and_then(|phone| Phone::try_new(&phone).map_err(cannot_open)) {
                Ok(phone) => {
                    contacts.push(Contact {
                        member_id: contact.member_id,
                        phone: phone.expose_e164(),
                        consents: contact.consents,
                        wechat_openid: None,
                        language: Language::Zh,
                        status: MemberStatus::Active,
                    });
                }
                Err(error) => {
                    // One member's damaged row must not silence the others of the batch.
                    tracing::error!(service = cx.service, %error, "the vault failed");
                    unreadable.push(contact.member_id);
                }
            }
        }
        Ok(ContactsReply { contacts, unreadable })
    }
}

/// `api.member.member.counts`.
pub struct CountMembers;

impl Query for CountMembers {
    type Endpoint = MemberCounts;

    async fn answer(&self, cx: &Ctx, _: Empty) -> Result<CountsReply, Problem> {
        let members = members::count_members(&cx.pool).await.map_err(|error| unavailable(cx, error))?;
        Ok(CountsReply { counts: BTreeMap::from([("members".to_owned(), members)]) })
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
