//! The way of a set of documents: judge each on its own, find its customer, claim its key, save, tell.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jifen_contracts::{
    code::{self, Code},
    document::Fault,
    receipt::ReceiptStatus,
};
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::{
        content::Content,
        customer::{Keys, all_keys},
        fate::{Arrival, Case, ContentHash, DocumentKey, Fate, Holder, Identity, Verdict, decide_claimants, decide_fates},
        received::Received,
        stamp::{Stamp, decide_stamp},
        standing::{Standing, decide_standing},
    },
    keys,
    outbound::{self, Accepted, ReceiptOf},
    store::{
        arrivals, customer_keys,
        documents::{self, Claim, Kept},
        parked_keys::{self, Waiting},
        rejects::{self, Refused, RejectKey},
    },
};

/// What is hashed of a document that can be read.
#[derive(Debug, Clone)]
pub struct Hashes {
    /// Its content.
    pub content: ContentHash,
    /// Its customer.
    pub keys: Keys,
}

impl Hashes {
    /// Of a document that can be read; `None` of another.
    pub fn of(cx: &Ctx, received: &Received) -> Result<Option<Self>, Failure> {
        let hash = |content: &Content| Ok(Self { content: cx.seal.hash(&compared(content)?), keys: keys::of_document(cx, content) });
        received.content.as_ref().ok().map(hash).transpose()
    }
}

/// A document's content as it is compared: the same instant is the same content, whatever its offset.
fn compared(content: &Content) -> Result<Vec<u8>, Failure> {
    jifen_runtime::crypto::canonical(&content.in_utc()).map_err(Failure::defect)
}

/// A document's content as it is kept.
fn canonical(content: &Content) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(content).map_err(Failure::defect)
}

/// What a document's content is sealed to: it opens as the content of no other.
pub fn place_of(key: &DocumentKey) -> Vec<u8> {
    format!("document/{}/{}/{}", key.store, key.kind, key.number).into_bytes()
}

/// A document on its way in.
pub struct Submission<'a> {
    /// What could be read.
    pub received: &'a Received,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// Of a document that can be read.
    pub hashes: Option<&'a Hashes>,
    /// Where it stood in the stream, the first time.
    pub arrival: Arrival,
    /// What its effects inherit.
    pub cause: Cause,
    /// An operator handed it in again.
    pub resubmitted: bool,
}

/// A document that may claim its key, and what it comes to then.
struct Candidate<'a> {
    content: &'a Content,
    keys: &'a Keys,
    identity: &'a Identity,
    stamp: &'a Stamp,
    standing: Standing,
}

/// What became of a document, as its receipt says.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// As in the receipt.
    pub status: ReceiptStatus,
    /// Likewise.
    pub code: Code,
}

impl Told {
    /// It was refused, and is kept with the refused ones.
    pub fn is_refused(&self) -> bool {
        self.status == ReceiptStatus::Rejected
    }
}

/// Takes documents in; `submissions` stand in stream order. Tells what became of each, in that order; nothing of one whose
/// receipt went out before.
pub async fn take_in(
    cx: &Ctx,
    tx: &mut PgConnection,
    submissions: &[Submission<'_>],
    out: &mut Outbox,
) -> Result<Vec<Option<Told>>, Failure> {
    let verdicts: Vec<Verdict> = submissions.iter().map(|submission| judge(cx, submission, out)).collect();
    let cases: Vec<Case<'_>> = submissions
        .iter()
        .zip(&verdicts)
        .map(|(submission, verdict)| Case { verdict, arrival: submission.arrival, resubmitted: submission.resubmitted })
        .collect();
    let settled = arrivals::load_settled(tx, &cases.iter().map(|case| case.arrival).collect::<Vec<_>>()).await?;
    let mut candidates: BTreeMap<usize, Candidate<'_>> = BTreeMap::new();
    for place in decide_claimants(&cases, &settled) {
        let submission = &submissions[place];
        if let (Verdict::Sound(identity, stamp), Some(hashes), Ok(content)) =
            (&verdicts[place], submission.hashes, &submission.received.content)
        {
            candidates.insert(
                place,
                Candidate { content, keys: &hashes.keys, identity, stamp, standing: Standing::Parked(code::DOCUMENT_PARKED) },
            );
        }
    }
    find_customers(tx, &mut candidates).await?;
    let claimed = claim(cx, tx, submissions, &candidates, out).await?;
    let holders = load_holders(tx, &verdicts, &candidates, &claimed).await?;
    let mut fates = decide_fates(&cases, &claimed, &holders, &settled);
    save_parked(tx, &candidates, &claimed).await?;
    save_settled(tx, &cases, &mut fates).await?;
    let rejected = save_rejected(cx, tx, submissions, &fates, out).await?;
    let told = submissions.iter().zip(&fates).enumerate().map(|(place, (submission, fate))| match fate {
        Fate::Redelivered => None,
        Fate::Claimed => candidates.get(&place).map(|candidate| tell_claimed(cx, out, submission, candidate)),
        Fate::Duplicate => Some(tell(out, submission, ReceiptStatus::Duplicate, code::DOCUMENT_DUPLICATE, None)),
        Fate::Rejected(fault) => Some(tell_rejected(out, submission, fault, rejected.get(&reject_key(submission)).copied())),
    });
    Ok(told.collect())
}

/// What can be said of a document on its own, under the rules in force when it happened.
fn judge(cx: &Ctx, submission: &Submission<'_>, out: &Outbox) -> Verdict {
    let received = submission.received;
    let (content, hashes) = match (&received.content, submission.hashes) {
        (Ok(content), Some(hashes)) => (content, hashes),
        (Err(fault), _) => return Verdict::Unreadable(fault.clone()),
        // Hashes are made of every document that can be read.
        (Ok(_), None) => return Verdict::Unreadable(Fault::new(code::DOCUMENT_UNDECODABLE)),
    };
    let key = DocumentKey { store: content.store().to_string(), kind: received.kind.clone(), number: content.number().to_owned() };
    let identity = Identity { key, content_hash: hashes.content };
    let in_force = cx.programs.in_force_at(content.at());
    match decide_stamp(content, in_force.as_deref(), out.now()) {
        Ok(stamp) => Verdict::Sound(identity, stamp),
        Err(fault) => Verdict::Refused(identity, fault),
    }
}

/// Looks up whose each candidate is. Those of nobody look again under the lock of their keys before they wait: a
/// registration that commits in between is either seen then, or waits for this transaction and finds them parked.
async fn find_customers(tx: &mut PgConnection, candidates: &mut BTreeMap<usize, Candidate<'_>>) -> Result<(), Failure> {
    if candidates.is_empty() {
        return Ok(());
    }
    let owners = customer_keys::load_owners(tx, &all_keys(candidates.values().map(|candidate| candidate.keys))).await?;
    for candidate in candidates.values_mut() {
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
    Ok(())
}

/// Claims the candidates' keys; gives back the places of those whose key was free.
async fn claim(
    cx: &Ctx,
    tx: &mut PgConnection,
    submissions: &[Submission<'_>],
    candidates: &BTreeMap<usize, Candidate<'_>>,
    out: &Outbox,
) -> Result<HashSet<usize>, Failure> {
    if candidates.is_empty() {
        return Ok(HashSet::new());
    }
    let mut claims = Vec::with_capacity(candidates.len());
    for (place, candidate) in candidates {
        let submission = &submissions[*place];
        let kept = match &candidate.standing {
            Standing::Parked(_) => Some(Kept {
                content: cx.seal.seal(&cx.ids, &canonical(candidate.content)?, &place_of(&candidate.identity.key)),
                sha256: submission.sha256,
                event_id: submission.received.event_id.clone(),
                traceparent: submission.cause.trace.map(|trace| trace.to_string()),
            }),
            Standing::Accepted(_) | Standing::Lapsed => None,
        };
        claims.push(Claim {
            identity: candidate.identity,
            standing: &candidate.standing,
            arrival: submission.arrival,
            issued_at: candidate.content.at(),
            stamp: candidate.stamp,
            kept,
        });
    }
    claims.sort_unstable_by_key(|claim| &claim.identity.key);
    let free = documents::claim(tx, &claims, out.now()).await?;
    Ok(candidates.iter().filter(|(_, candidate)| free.contains(&candidate.identity.key)).map(|(place, _)| *place).collect())
}

/// The documents that hold the keys that this batch names and did not claim.
async fn load_holders(
    tx: &mut PgConnection,
    verdicts: &[Verdict],
    candidates: &BTreeMap<usize, Candidate<'_>>,
    claimed: &HashSet<usize>,
) -> Result<HashMap<DocumentKey, Holder>, Failure> {
    let taken: BTreeSet<&DocumentKey> =
        candidates.iter().filter(|(place, _)| !claimed.contains(place)).map(|(_, candidate)| &candidate.identity.key).collect();
    let refused = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Refused(identity, _) => Some(&identity.key),
        Verdict::Sound(..) | Verdict::Unreadable(_) => None,
    });
    let named: BTreeSet<&DocumentKey> = refused.chain(taken.iter().copied()).collect();
    if named.is_empty() {
        return Ok(HashMap::new());
    }
    // A later statement: it sees what the claim waited for.
    let holders = documents::load_holders(tx, &named).await?;
    match taken.into_iter().find(|key| !holders.contains_key(*key)) {
        Some(_) => Err(Failure::transient("a document vanished between two statements")),
        None => Ok(holders),
    }
}

/// Lets claimed documents of nobody wait for their keys. Those under review wait for a person: no key releases them.
async fn save_parked(tx: &mut PgConnection, candidates: &BTreeMap<usize, Candidate<'_>>, claimed: &HashSet<usize>) -> Result<(), Failure> {
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

/// Records the messages that brought nothing new. One that another copy has recorded meanwhile has had its receipt.
async fn save_settled(tx: &mut PgConnection, cases: &[Case<'_>], fates: &mut [Fate]) -> Result<(), Failure> {
    let word = |(case, fate): (&Case<'_>, &Fate)| match fate {
        _ if case.resubmitted => None,
        Fate::Duplicate => Some((case.arrival, "duplicate")),
        Fate::Rejected(_) => Some((case.arrival, "rejected")),
        Fate::Claimed | Fate::Redelivered => None,
    };
    let settled: BTreeMap<Arrival, &'static str> = cases.iter().zip(fates.iter()).filter_map(word).collect();
    if settled.is_empty() {
        return Ok(());
    }
    let new = arrivals::save(tx, &settled).await?;
    for (case, fate) in cases.iter().zip(fates) {
        if settled.contains_key(&case.arrival) && !new.contains(&case.arrival) {
            *fate = Fate::Redelivered;
        }
    }
    Ok(())
}

fn reject_key(submission: &Submission<'_>) -> RejectKey {
    RejectKey { store: submission.received.store.clone(), kind: submission.received.kind.clone(), sha256: submission.sha256 }
}

/// Keeps what was refused; gives back the ids.
async fn save_rejected(
    cx: &Ctx,
    tx: &mut PgConnection,
    submissions: &[Submission<'_>],
    fates: &[Fate],
    out: &Outbox,
) -> Result<HashMap<RejectKey, Uuid>, Failure> {
    let mut refused: BTreeMap<RejectKey, Refused<'_>> = BTreeMap::new();
    for (submission, fate) in submissions.iter().zip(fates) {
        let Fate::Rejected(fault) = fate else { continue };
        let row =
            Refused { received: submission.received, bytes: submission.bytes, arrival: submission.arrival, fault: fault.clone(), times: 0 };
        let row = refused.entry(reject_key(submission)).or_insert(row);
        row.fault = fault.clone();
        row.times += 1;
    }
    if refused.is_empty() { Ok(HashMap::new()) } else { rejects::save(cx, tx, &refused, out.now()).await }
}

fn tell(out: &mut Outbox, submission: &Submission<'_>, status: ReceiptStatus, code: Code, pointer: Option<&str>) -> Told {
    let received = submission.received;
    let of = ReceiptOf {
        store: received.store_code(),
        kind: &received.kind,
        document: received.number.as_deref(),
        event_id: received.event_id.as_deref(),
        sha256: &submission.sha256,
    };
    outbound::send_receipt(out, &submission.cause, &of, status, code, pointer);
    Told { status, code }
}

fn tell_claimed(cx: &Ctx, out: &mut Outbox, submission: &Submission<'_>, candidate: &Candidate<'_>) -> Told {
    match &candidate.standing {
        Standing::Accepted(owner) => {
            let accepted = Accepted {
                content: candidate.content,
                keys: candidate.keys,
                owner,
                stamp: candidate.stamp,
                received_at: submission.arrival.stored_at,
            };
            accepted.publish(cx, &submission.cause, out);
            tell(out, submission, ReceiptStatus::Accepted, code::DOCUMENT_ACCEPTED, None)
        }
        Standing::Parked(code) => tell(out, submission, ReceiptStatus::Parked, *code, None),
        Standing::Lapsed => tell(out, submission, ReceiptStatus::Rejected, code::DOCUMENT_LAPSED, None),
    }
}

fn tell_rejected(out: &mut Outbox, submission: &Submission<'_>, fault: &Fault, reject_id: Option<Uuid>) -> Told {
    if let Some(reject_id) = reject_id {
        out.event(&submission.cause, None, &outbound::document_rejected(submission.received, &submission.sha256, reject_id, fault));
        if fault.code == code::DOCUMENT_CONFLICT {
            tracing::warn!(%reject_id, store = submission.received.store, kind = submission.received.kind, "a document's number came with other content");
        }
    }
    tell(out, submission, ReceiptStatus::Rejected, fault.code, fault.pointer.as_deref())
}
