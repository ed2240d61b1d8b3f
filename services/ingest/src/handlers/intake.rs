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

use super::{
    candidate::{Candidate, candidates_of, claim, find_customers, save_parked},
    corrections::{Invoices, Settled, follow, invoice_of},
    days,
};
use crate::{
    domain::{
        content::{Content, is_correction},
        correction::decide_correction,
        customer::Keys,
        fate::{Arrival, Case, ContentHash, DocumentKey, Fate, Holder, Identity, Verdict, decide_fates},
        received::Received,
        stamp::decide_stamp,
        standing::Standing,
    },
    keys,
    outbound::{self, Accepted, ReceiptOf},
    store::{
        arrivals, documents,
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

/// A document of a batch with what can be said of it on its own.
pub(super) type Judged<'a> = (&'a Submission<'a>, Verdict);

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
/// receipt went out before. Invoices go before what corrects them: a refund that comes in one batch with its invoice follows it.
pub async fn take_in(
    cx: &Ctx,
    tx: &mut PgConnection,
    submissions: &[Submission<'_>],
    out: &mut Outbox,
) -> Result<Vec<Option<Told>>, Failure> {
    let (mut places, mut sets) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let mut corrected = BTreeSet::new();
    for (place, submission) in submissions.iter().enumerate() {
        let verdict = judge(cx, submission, out);
        if let (Verdict::Sound(..), Ok(content)) = (&verdict, &submission.received.content) {
            corrected.extend(invoice_of(content));
        }
        let set = usize::from(is_correction(&submission.received.kind));
        places[set].push(place);
        sets[set].push((submission, verdict));
    }
    let [bills, mut corrections] = sets;
    let mut told = Vec::with_capacity(submissions.len());
    told.extend(places[0].iter().zip(take_in_bills(cx, tx, &bills, &corrected, out).await?));
    if !corrections.is_empty() {
        told.extend(places[1].iter().zip(take_in_corrections(cx, tx, &mut corrections, out).await?));
    }
    told.sort_by_key(|(place, _)| **place);
    Ok(told.into_iter().map(|(_, told)| told).collect())
}

/// Takes in documents that have a customer, and locks the invoices that any of the batch is about.
async fn take_in_bills(
    cx: &Ctx,
    tx: &mut PgConnection,
    set: &[Judged<'_>],
    corrected: &BTreeSet<DocumentKey>,
    out: &mut Outbox,
) -> Result<Vec<Option<Told>>, Failure> {
    let settled = load_settled(tx, set).await?;
    let mut candidates = candidates_of(set, &settled);
    find_customers(tx, &mut candidates).await?;
    let claimed = claim(cx, tx, set, &candidates, corrected, out).await?;
    let told = conclude(cx, tx, set, &candidates, &claimed, &settled, out).await?;
    let mut entailed = Settled::default();
    for (place, candidate) in &candidates {
        if let Some(is_awaited) = claimed.get(place) {
            candidate.entails(set[*place].0, *is_awaited, &mut entailed);
        }
    }
    follow(cx, tx, &entailed, out).await?;
    let closed = candidates.iter().filter(|(place, one)| one.standing == Standing::Recorded && claimed.contains_key(place));
    let closed: Vec<_> = closed.map(|(place, one)| (one.day(), set[*place].0.cause.clone())).collect();
    days::close(cx, tx, &closed, out).await?;
    Ok(told)
}

/// Takes in refunds and voids, whose invoices are locked.
async fn take_in_corrections(
    cx: &Ctx,
    tx: &mut PgConnection,
    set: &mut [Judged<'_>],
    out: &mut Outbox,
) -> Result<Vec<Option<Told>>, Failure> {
    let about = set.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Sound(..)));
    let keys = about.filter_map(|(submission, _)| invoice_of(submission.received.content.as_ref().ok()?)).collect();
    let mut invoices = Invoices::load(tx, &keys).await?;
    let mut standings = HashMap::new();
    for (place, (submission, verdict)) in set.iter_mut().enumerate() {
        let (Verdict::Sound(identity, _), Ok(content)) = (&*verdict, &submission.received.content) else { continue };
        let Some(invoice) = invoice_of(content) else { continue };
        match decide_correction(content, invoices.target(&invoice)) {
            Ok(standing) => drop(standings.insert(place, standing)),
            Err(fault) => *verdict = Verdict::Refused(identity.clone(), fault),
        }
    }
    let settled = load_settled(tx, set).await?;
    let mut candidates = candidates_of(set, &settled);
    for (place, candidate) in &mut candidates {
        candidate.standing = standings.remove(place).unwrap_or(Standing::Parked(code::DOCUMENT_AWAITS_INVOICE));
    }
    let claimed = claim(cx, tx, set, &candidates, &BTreeSet::new(), out).await?;
    let told = conclude(cx, tx, set, &candidates, &claimed, &settled, out).await?;
    for (place, candidate) in candidates.iter().filter(|(place, _)| claimed.contains_key(place)) {
        match (&candidate.standing, invoice_of(candidate.content)) {
            (Standing::Corrects { .. }, _) => {
                let submission = set[*place].0;
                invoices.publish(candidate.content, &candidate.voiding(submission), &submission.cause, out)?;
            }
            (Standing::Parked(_), Some(invoice)) => invoices.wait(&invoice, candidate.identity.key.clone()),
            _ => {}
        }
    }
    invoices.save(tx).await?;
    Ok(told)
}

async fn load_settled(tx: &mut PgConnection, set: &[Judged<'_>]) -> Result<HashSet<Arrival>, Failure> {
    if set.is_empty() {
        return Ok(HashSet::new());
    }
    arrivals::load_settled(tx, &set.iter().map(|(submission, _)| submission.arrival).collect::<Vec<_>>()).await
}

pub(super) fn cases_of<'a>(set: &'a [Judged<'_>]) -> Vec<Case<'a>> {
    let case = |(submission, verdict): &'a Judged<'_>| Case { verdict, arrival: submission.arrival, resubmitted: submission.resubmitted };
    set.iter().map(case).collect()
}

/// From claims to receipts.
async fn conclude(
    cx: &Ctx,
    tx: &mut PgConnection,
    set: &[Judged<'_>],
    candidates: &BTreeMap<usize, Candidate<'_>>,
    claimed: &HashMap<usize, bool>,
    settled: &HashSet<Arrival>,
    out: &mut Outbox,
) -> Result<Vec<Option<Told>>, Failure> {
    let cases = cases_of(set);
    let places: HashSet<usize> = claimed.keys().copied().collect();
    let holders = load_holders(tx, set, candidates, &places).await?;
    let mut fates = decide_fates(&cases, &places, &holders, settled);
    save_parked(tx, candidates, &places).await?;
    save_settled(tx, &cases, &mut fates).await?;
    let rejected = save_rejected(cx, tx, set, &fates, out).await?;
    let told = set.iter().zip(&fates).enumerate().map(|(place, ((submission, _), fate))| match fate {
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
    let key = DocumentKey { store: content.store().to_string(), kind: received.kind.clone(), number: content.number().into_owned() };
    let identity = Identity { key, content_hash: hashes.content };
    let in_force = cx.programs.in_force_at(content.at());
    match decide_stamp(content, in_force.as_deref(), out.now()) {
        Ok(stamp) => Verdict::Sound(identity, stamp),
        Err(fault) => Verdict::Refused(identity, fault),
    }
}

/// The documents that hold the keys that this batch names and did not claim.
async fn load_holders(
    tx: &mut PgConnection,
    set: &[Judged<'_>],
    candidates: &BTreeMap<usize, Candidate<'_>>,
    claimed: &HashSet<usize>,
) -> Result<HashMap<DocumentKey, Holder>, Failure> {
    let taken: BTreeSet<&DocumentKey> =
        candidates.iter().filter(|(place, _)| !claimed.contains(place)).map(|(_, candidate)| &candidate.identity.key).collect();
    let refused = set.iter().filter_map(|(_, verdict)| match verdict {
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
    set: &[Judged<'_>],
    fates: &[Fate],
    out: &Outbox,
) -> Result<HashMap<RejectKey, Uuid>, Failure> {
    let mut refused: BTreeMap<RejectKey, Refused<'_>> = BTreeMap::new();
    for ((submission, _), fate) in set.iter().zip(fates) {
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
        Standing::Corrects { .. } | Standing::Recorded => tell(out, submission, ReceiptStatus::Accepted, code::DOCUMENT_ACCEPTED, None),
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
