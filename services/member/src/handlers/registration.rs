//! Registration of a set of applicants: claim their keys, see whose the rest is, decide in order, save, tell, send codes.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use jifen_contracts::{KeyedHash, endpoint::MemberStatus};
use jifen_kernel::MemberId;
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Rules,
    code_issue::{self, Wish},
    whole,
};
use crate::{
    domain::{Applicant, Candidate, Decision, IdentityKind, Known, MemberNo, Owner, Profile, Rejection, decide_register},
    keys, outbound,
    store::{
        identities::{self, Claims},
        members::{self, NewMember},
        standings,
    },
    vault::Vault,
};

/// An application and what brought it.
pub struct Application<'a> {
    /// What brought it.
    pub cause: &'a Cause,
    /// What it says, or why it is not in order.
    pub applicant: Result<Applicant, Rejection>,
}

/// What became of an application.
pub struct Outcome {
    /// As decided.
    pub decision: Decision,
    /// The id of a new member.
    pub member_id: MemberId,
    /// The state that the application gives.
    pub status: MemberStatus,
    /// Until when the code holds that was sent, or after how many seconds one can be asked for. None where none is needed.
    pub code: Option<Result<DateTime<Utc>, u64>>,
}

/// Registers applicants in their order.
pub async fn register(
    cx: &Ctx,
    tx: &mut PgConnection,
    rules: &Rules,
    applications: Vec<Application<'_>>,
    out: &mut Outbox,
) -> Result<Vec<Outcome>, Failure> {
    let (causes, candidates): (Vec<&Cause>, Vec<Result<Candidate, Rejection>>) = applications
        .into_iter()
        .map(|application| (application.cause, application.applicant.map(|applicant| candidate(cx, rules, applicant))))
        .unzip();
    let claims = claims_of(candidates.iter().flatten().flat_map(|candidate| candidate.keys.iter().map(|key| (key, candidate.member_id))));
    let (mut known, free) = load_known(tx, &claims).await?;
    let lapsed = lock_lapsed(cx, tx, rules, &candidates, &mut known).await?;
    let decisions = decide(tx, rules, &candidates, &mut known).await?;
    give_keys(tx, &claims, &free, &known).await?;
    save(cx, tx, rules, &candidates, &decisions).await?;
    let mut revived: HashMap<MemberId, Profile> = lapsed.into_iter().collect();
    revive(cx, tx, rules, &causes, &candidates, &decisions, &mut revived, out).await?;
    for (cause, (candidate, decision)) in causes.iter().zip(candidates.iter().zip(&decisions)) {
        if let (Ok(candidate), Decision::Registered(member_no)) = (candidate, decision) {
            out.event(cause, Some(1), &outbound::registered(candidate, member_no, rules.now));
        }
    }
    let codes = send_codes(cx, tx, rules, &causes, &candidates, &decisions, out).await?;
    let outcomes = candidates.into_iter().zip(decisions).zip(codes).map(|((candidate, decision), code)| match candidate {
        Ok(candidate) => Outcome { decision, member_id: candidate.member_id, status: candidate.applicant.status(), code },
        Err(_) => Outcome { decision, member_id: MemberId(Uuid::nil()), status: MemberStatus::Lapsed, code },
    });
    Ok(outcomes.collect())
}

fn candidate(cx: &Ctx, rules: &Rules, applicant: Applicant) -> Candidate {
    Candidate { member_id: MemberId(cx.ids.next(rules.now)), keys: keys::of_applicant(&cx.lookup, &applicant), applicant }
}

/// Every key of a batch, for now to the first who asked for it.
pub fn claims_of<'a>(wanted: impl IntoIterator<Item = ((IdentityKind, &'a KeyedHash), MemberId)>) -> Claims {
    let mut claims = Claims::new();
    for ((kind, key), member) in wanted {
        claims.entry(key.clone()).or_insert((kind, member));
    }
    claims
}

/// Claims what is free and reads who has the rest. Also says which were free.
pub async fn load_known(tx: &mut PgConnection, claims: &Claims) -> Result<(Known, Vec<KeyedHash>), Failure> {
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

/// Locks the members of lapsed registrations whose phones are asked for, and reads them again: another copy may just have
/// revived one.
async fn lock_lapsed(
    cx: &Ctx,
    tx: &mut PgConnection,
    rules: &Rules,
    candidates: &[Result<Candidate, Rejection>],
    known: &mut Known,
) -> Result<Vec<(MemberId, Profile)>, Failure> {
    let phones: BTreeSet<&KeyedHash> = candidates.iter().flatten().map(|candidate| &candidate.keys.phone).collect();
    let lapsed = |phone: &&KeyedHash| known.owner(phone).filter(|owner| owner.has_lapsed(rules.today)).map(|owner| owner.member_id);
    let members: BTreeSet<MemberId> = phones.iter().filter_map(lapsed).collect();
    let loaded = whole::load(cx, tx, &members).await?;
    let mut profiles = Vec::with_capacity(loaded.len());
    for (member, loaded) in loaded {
        let phone = keys::of_phone(&cx.lookup, &loaded.profile.phone);
        if !phones.contains(&phone) {
            return Err(Failure::transient("a phone changed between two statements"));
        }
        known.give([&phone], &loaded.profile.standing.owner());
        profiles.push((member, loaded.profile));
    }
    Ok(profiles)
}

/// Decides in the order of the batch, with a number at hand for each who may need one.
async fn decide(
    tx: &mut PgConnection,
    rules: &Rules,
    candidates: &[Result<Candidate, Rejection>],
    known: &mut Known,
) -> Result<Vec<Decision>, Failure> {
    let unknown = candidates.iter().flatten().filter(|candidate| known.owner(&candidate.keys.phone).is_none()).count();
    let ordinals = match i64::try_from(unknown).map_err(Failure::defect)? {
        0 => Vec::new(),
        count => members::take_ordinals(tx, count).await?,
    };
    let mut numbers = ordinals.into_iter().filter_map(MemberNo::of_ordinal);
    let decide = candidates.iter().map(|candidate| match candidate {
        Ok(candidate) => decide_register(known, candidate, rules.today, &mut numbers)
            .ok_or_else(|| Failure::defect("the sequence of member numbers ran dry")),
        Err(rejection) => Ok(Decision::Rejected(rejection.clone())),
    });
    decide.collect()
}

/// Brings the claims in line with the decisions: a key may have gone to another of the batch, or to nobody.
pub async fn give_keys(tx: &mut PgConnection, claims: &Claims, free: &[KeyedHash], known: &Known) -> Result<(), Failure> {
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
    rules: &Rules,
    candidates: &[Result<Candidate, Rejection>],
    decisions: &[Decision],
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
        members::save_members(tx, &new, rules.now).await?;
    }
    Ok(())
}

/// Gives lapsed registrations their state back and tells it: the whole member, and that one is active who was confirmed.
#[expect(clippy::too_many_arguments, reason = "the batch in its parts, each once")]
async fn revive(
    cx: &Ctx,
    tx: &mut PgConnection,
    rules: &Rules,
    causes: &[&Cause],
    candidates: &[Result<Candidate, Rejection>],
    decisions: &[Decision],
    profiles: &mut HashMap<MemberId, Profile>,
    out: &mut Outbox,
) -> Result<(), Failure> {
    let mut standings = Vec::new();
    for (cause, (candidate, decision)) in causes.iter().zip(candidates.iter().zip(decisions)) {
        let (Ok(candidate), Decision::Revived(owner)) = (candidate, decision) else { continue };
        let Some(mut profile) = profiles.remove(&owner.member_id) else {
            return Err(Failure::defect("a member was revived who was not locked"));
        };
        profile.standing.revive(candidate.applicant.deadline);
        let keys = keys::of_profile(&cx.lookup, &profile);
        profile.standing.sequence += 1;
        out.event(cause, Some(profile.standing.sequence), &outbound::updated(&profile, &keys, rules.now));
        if profile.standing.status == MemberStatus::Active {
            profile.standing.sequence += 1;
            out.event(cause, Some(profile.standing.sequence), &outbound::activated(&profile.standing, rules.now));
        }
        standings.push(profile.standing);
    }
    if !standings.is_empty() {
        standings::save_standings(tx, &standings.iter().collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Sends a code to each who waits for activation now.
async fn send_codes(
    cx: &Ctx,
    tx: &mut PgConnection,
    rules: &Rules,
    causes: &[&Cause],
    candidates: &[Result<Candidate, Rejection>],
    decisions: &[Decision],
    out: &mut Outbox,
) -> Result<Vec<Option<Result<DateTime<Utc>, u64>>>, Failure> {
    let (mut places, mut wishes) = (Vec::new(), Vec::new());
    for (place, (candidate, decision)) in candidates.iter().zip(decisions).enumerate() {
        let Ok(candidate) = candidate else { continue };
        let (member_id, member_no) = match decision {
            Decision::Registered(member_no) => (candidate.member_id, member_no),
            Decision::Revived(Owner { member_id, member_no, .. }) => (*member_id, member_no),
            Decision::Existing(_) | Decision::Rejected(_) => continue,
        };
        if candidate.applicant.deadline.is_some() {
            let (store, phone) = (candidate.applicant.store.clone(), candidate.keys.phone.clone());
            places.push(place);
            wishes.push(Wish { cause: causes[place], member_id, member_no: member_no.to_string(), store, phone });
        }
    }
    let mut codes = vec![None; candidates.len()];
    for (place, issued) in places.into_iter().zip(code_issue::issue(cx, tx, rules, &wishes, out).await?) {
        codes[place] = Some(issued);
    }
    Ok(codes)
}
