//! Documents that may claim their number: whose each is, its claim, and what it entails.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jifen_contracts::code;
use jifen_runtime::{Ctx, Failure, Outbox};
use sqlx::PgConnection;

use super::{
    corrections::{Replacing, Settled, invoice_of, kept_lines},
    intake::{Judged, Submission, cases_of, place_of},
};
use crate::{
    domain::{
        bill::Bill,
        content::{Content, is_correction},
        correction::Voiding,
        customer::{Keys, all_keys, vehicle_keys},
        fate::{Arrival, DocumentKey, Identity, Verdict, decide_claimants},
        stamp::Stamp,
        standing::{Standing, decide_former, decide_standing},
    },
    store::{
        customer_keys,
        documents::{self, Claim, Kept},
        former_owners,
        parked_keys::{self, Waiting},
    },
};

/// A document's content as it is kept.
fn canonical(content: &Content) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(content).map_err(Failure::defect)
}

/// A document that may claim its key, and what it comes to then.
pub(super) struct Candidate<'a> {
    pub(super) content: &'a Content,
    pub(super) keys: &'a Keys,
    pub(super) identity: &'a Identity,
    pub(super) stamp: &'a Stamp,
    pub(super) standing: Standing,
}

/// Those of a batch that shall claim their number.
pub(super) fn candidates_of<'a>(set: &'a [Judged<'_>], settled: &HashSet<Arrival>) -> BTreeMap<usize, Candidate<'a>> {
    let candidate = |place: usize| {
        let (submission, verdict) = &set[place];
        let (Verdict::Sound(identity, stamp), Some(hashes), Ok(content)) = (verdict, submission.hashes, &submission.received.content)
        else {
            return None;
        };
        let standing = if matches!(content, Content::DayClose(_)) { Standing::Recorded } else { Standing::Parked(code::DOCUMENT_PARKED) };
        Some((place, Candidate { content, keys: &hashes.keys, identity, stamp, standing }))
    };
    decide_claimants(&cases_of(set), settled).into_iter().filter_map(candidate).collect()
}

/// Looks up whose each candidate is. Those of nobody look again under the lock of their keys before they wait: a
/// registration that commits in between is either seen then, or waits for this transaction and finds them parked.
pub(super) async fn find_customers(tx: &mut PgConnection, candidates: &mut BTreeMap<usize, Candidate<'_>>) -> Result<(), Failure> {
    if candidates.is_empty() {
        return Ok(());
    }
    let owners = customer_keys::load_owners(tx, &all_keys(candidates.values().map(|candidate| candidate.keys))).await?;
    for candidate in candidates.values_mut().filter(|candidate| candidate.standing != Standing::Recorded) {
        candidate.standing = decide_standing(candidate.keys, &owners, candidate.stamp);
    }
    let mut unknown: Vec<_> =
        candidates.values_mut().filter(|candidate| candidate.standing == Standing::Parked(code::DOCUMENT_PARKED)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let keys = all_keys(unknown.iter().map(|candidate| candidate.keys));
    customer_keys::lock(tx, &keys).await?;
    let owners = customer_keys::load_owners(tx, &keys).await?;
    for candidate in &mut unknown {
        candidate.standing = decide_standing(candidate.keys, &owners, candidate.stamp);
    }
    // Only whoever still is nobody's may be a former owner's: a document whose customer is known pays nothing for this.
    unknown.retain(|candidate| candidate.standing == Standing::Parked(code::DOCUMENT_PARKED));
    let formers = former_owners::load(tx, &vehicle_keys(unknown.iter().map(|candidate| candidate.keys))).await?;
    for candidate in unknown {
        if let Some(standing) = decide_former(candidate.keys, &formers, candidate.stamp) {
            candidate.standing = standing;
        }
    }
    Ok(())
}

/// Claims the candidates' keys; gives back the places of those whose key was free, and whether corrections wait for them. Locks the
/// invoices that are `corrected`.
pub(super) async fn claim(
    cx: &Ctx,
    tx: &mut PgConnection,
    set: &[Judged<'_>],
    candidates: &BTreeMap<usize, Candidate<'_>>,
    corrected: &BTreeSet<DocumentKey>,
    out: &Outbox,
) -> Result<HashMap<usize, bool>, Failure> {
    if candidates.is_empty() && corrected.is_empty() {
        return Ok(HashMap::new());
    }
    let claims = candidates.iter().map(|(place, candidate)| candidate.claim(cx, set[*place].0));
    let claims: Vec<Claim<'_>> = claims.collect::<Result<_, Failure>>()?;
    let free = documents::claim(tx, &claims, corrected, out.now()).await?;
    Ok(candidates.iter().filter_map(|(place, candidate)| Some((*place, *free.get(&candidate.identity.key)?))).collect())
}

impl<'a> Candidate<'a> {
    fn claim(&'a self, cx: &Ctx, submission: &Submission<'_>) -> Result<Claim<'a>, Failure> {
        let kept = match &self.standing {
            Standing::Parked(_) => Some(Kept {
                content: cx.seal.seal(&cx.ids, &self.kept_content(submission)?, &place_of(&self.identity.key)),
                sha256: submission.sha256,
                event_id: submission.received.event_id.clone(),
                traceparent: submission.cause.trace.map(|trace| trace.to_string()),
            }),
            Standing::Accepted(_) | Standing::Corrects { .. } | Standing::Recorded | Standing::Lapsed => None,
        };
        let bill = match (&self.standing, self.content) {
            (Standing::Accepted(_), Content::Invoice(invoice)) => Some(Bill::of(invoice).text()),
            (Standing::Corrects { .. } | Standing::Lapsed, content) => kept_lines(content),
            (Standing::Recorded, Content::DayClose(close)) => serde_json::to_string(close).ok(),
            _ => None,
        };
        Ok(Claim {
            identity: self.identity,
            standing: &self.standing,
            arrival: submission.arrival,
            issued_at: self.content.at(),
            stamp: self.stamp,
            kept,
            bill,
        })
    }

    /// Of a correction the bytes: it may have to be refused as it came.
    fn kept_content(&self, submission: &Submission<'_>) -> Result<Vec<u8>, Failure> {
        if is_correction(&self.identity.key.kind) { Ok(submission.bytes.to_vec()) } else { canonical(self.content) }
    }

    /// A store's day.
    pub(super) fn day(&self) -> (String, chrono::NaiveDate) {
        (self.identity.key.store.clone(), self.stamp.business_date)
    }

    pub(super) fn voiding(&self, submission: &Submission<'_>) -> Voiding {
        Voiding {
            number: self.identity.key.number.clone(),
            is_replacement: !is_correction(&self.identity.key.kind),
            at: self.content.at(),
            business_date: self.stamp.business_date,
            received_at: submission.arrival.stored_at,
        }
    }

    /// Adds what the claim of a document entails. The store has said that the invoice it replaces counts no longer, so that one goes
    /// also while this one waits itself; what corrects this one follows when it waits no more.
    pub(super) fn entails(&self, submission: &Submission<'_>, is_awaited: bool, settled: &mut Settled) {
        let (key, cause) = (&self.identity.key, &submission.cause);
        if is_awaited && !matches!(self.standing, Standing::Parked(_)) {
            settled.awaited.insert(key.clone(), cause.clone());
        }
        if let Some(replaced) = invoice_of(self.content) {
            let voiding = self.voiding(submission);
            settled.replacing.push(Replacing { key: key.clone(), replaced, voiding, cause: cause.clone() });
        }
    }
}

/// Lets claimed documents of nobody wait for their keys. Those under review wait for a person: no key releases them.
pub(super) async fn save_parked(
    tx: &mut PgConnection,
    candidates: &BTreeMap<usize, Candidate<'_>>,
    claimed: &HashSet<usize>,
) -> Result<(), Failure> {
    let waits = |(place, candidate): &(&usize, &Candidate<'_>)| {
        claimed.contains(place) && candidate.standing == Standing::Parked(code::DOCUMENT_PARKED)
    };
    let waiting: Vec<Waiting<'_>> = candidates
        .iter()
        .filter(waits)
        .map(|(_, candidate)| Waiting {
            document: &candidate.identity.key,
            keys: candidate.keys,
            business_date: candidate.stamp.business_date,
        })
        .collect();
    if waiting.is_empty() { Ok(()) } else { parked_keys::save(tx, &waiting).await }
}
