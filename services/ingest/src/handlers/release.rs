//! The way of a set of keys that became known: what waited for them is accepted, lapses, or goes to review.

use std::collections::{BTreeSet, HashMap};

use jifen_contracts::{code, receipt::ReceiptStatus};
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause, trace::TraceContext};
use sqlx::PgConnection;

use super::{
    corrections::{Replacing, Settled, follow, invoice_of},
    intake::place_of,
};
use crate::{
    domain::{
        bill::Bill,
        content::Content,
        correction::Voiding,
        customer::{Key, Keys, all_keys, vehicle_keys},
        stamp::Stamp,
        standing::{Standing, decide_former_release, decide_release, decide_release_stamp},
    },
    keys,
    outbound::{self, Accepted, ReceiptOf},
    store::{
        customer_keys,
        documents::{self, Kept, ParkedRow},
        former_owners,
        parked_keys::{self, Waiting},
    },
};

/// Documents released in one transaction. A telephone that stands on ten thousand bills must not fill the memory.
const AT_ONCE: usize = 2_000;

/// What was released.
pub struct Released {
    /// How many documents.
    pub count: usize,
    /// More of them wait.
    pub more: bool,
}

/// A waiting document, opened, with what it comes to.
pub(super) struct Opened {
    pub(super) row: ParkedRow,
    pub(super) content: Content,
    pub(super) keys: Keys,
    pub(super) stamp: Stamp,
}

impl Opened {
    pub(super) fn waited(&self) -> Waiting<'_> {
        Waiting { document: &self.row.key, keys: &self.keys, business_date: self.row.business_date }
    }

    fn released<'a>(&'a self, standing: &'a Standing) -> documents::Released<'a> {
        let bill = match (&self.content, standing) {
            (Content::Invoice(invoice), Standing::Accepted(_) | Standing::Lapsed) => Some(Bill::of(invoice).text()),
            _ => None,
        };
        let (business_date, version) = (self.stamp.business_date, Some(self.stamp.version));
        documents::Released { key: &self.row.key, standing, business_date, version, bill }
    }

    /// Adds what its end entails: corrections that wait for it. The invoice that it replaces was taken back when it came; of what
    /// an older version of this program let wait it is now, and twice changes nothing.
    fn entails(&self, settled: &mut Settled, cause: &Cause) {
        if self.row.is_awaited {
            settled.awaited.insert(self.row.key.clone(), cause.clone());
        }
        if let Some(replaced) = invoice_of(&self.content) {
            let voiding = Voiding {
                number: self.row.key.number.clone(),
                is_replacement: true,
                at: self.content.at(),
                business_date: self.stamp.business_date,
                received_at: self.row.received_at,
            };
            settled.replacing.push(Replacing { key: self.row.key.clone(), replaced, voiding, cause: cause.clone() });
        }
    }
}

/// Releases what waits for `keys` (locked) and resolves now. `causes`: what made a member known; nothing for a sweep.
pub async fn release(
    cx: &Ctx,
    tx: &mut PgConnection,
    keys: &BTreeSet<Key>,
    causes: &HashMap<MemberId, &Cause>,
    out: &mut Outbox,
) -> Result<Released, Failure> {
    // A later statement than the lock: it sees what was parked while the lock was waited for.
    let rows = documents::load_released(tx, keys, i64::try_from(AT_ONCE).unwrap_or(i64::MAX)).await?;
    if rows.is_empty() {
        return Ok(Released { count: 0, more: false });
    }
    let full = rows.len() >= AT_ONCE;
    let opened: Vec<Opened> = rows.into_iter().filter_map(|row| open(cx, row, out)).collect();
    let owners = customer_keys::load_owners(tx, &all_keys(opened.iter().map(|document| &document.keys))).await?;
    let mut decided: Vec<(&Opened, Standing)> = Vec::with_capacity(opened.len());
    let mut undecided: Vec<&Opened> = Vec::new();
    for document in &opened {
        match decide_release(&document.keys, &owners, &document.stamp) {
            Some(standing) => decided.push((document, standing)),
            None => undecided.push(document),
        }
    }
    let formers = former_owners::load(tx, &vehicle_keys(undecided.iter().map(|document| &document.keys))).await?;
    decided.extend(
        undecided.into_iter().filter_map(|document| Some((document, decide_former_release(&document.keys, &formers, &document.stamp)?))),
    );
    if decided.is_empty() {
        return Ok(Released { count: 0, more: false });
    }
    let count = decided.len();
    settle(cx, tx, &decided, causes, out).await?;
    Ok(Released { count, more: full })
}

/// Lets these (locked) documents lapse. One that can't be opened goes on waiting.
pub async fn lapse(cx: &Ctx, tx: &mut PgConnection, rows: Vec<ParkedRow>, out: &mut Outbox) -> Result<(), Failure> {
    let opened: Vec<Opened> = rows.into_iter().filter_map(|row| open(cx, row, out)).collect();
    if opened.is_empty() {
        return Ok(());
    }
    let decided: Vec<(&Opened, Standing)> = opened.iter().map(|document| (document, Standing::Lapsed)).collect();
    settle(cx, tx, &decided, &HashMap::new(), out).await
}

/// Writes what waiting documents came to, tells of it, and lets what corrects them follow.
pub(super) async fn settle(
    cx: &Ctx,
    tx: &mut PgConnection,
    decided: &[(&Opened, Standing)],
    causes: &HashMap<MemberId, &Cause>,
    out: &mut Outbox,
) -> Result<(), Failure> {
    let saved: Vec<_> = decided.iter().map(|(document, standing)| document.released(standing)).collect();
    documents::save_released(tx, &saved, out.now()).await?;
    let waited: Vec<Waiting<'_>> = decided.iter().map(|(document, _)| document.waited()).collect();
    parked_keys::delete(tx, &waited).await?;
    let mut settled = Settled::default();
    for (document, standing) in decided {
        tell(cx, out, document, standing, causes);
        if !matches!(standing, Standing::Parked(_)) {
            document.entails(&mut settled, &inherited(&document.row.kept, registered(standing, causes)));
        }
    }
    let replaced: BTreeSet<_> = settled.replacing.iter().map(|one| one.replaced.clone()).collect();
    if !replaced.is_empty() {
        documents::claim(tx, &[], &replaced, out.now()).await?;
    }
    follow(cx, tx, &settled, out).await?;
    Ok(())
}

/// What made the member of a document known.
fn registered<'a>(standing: &Standing, causes: &HashMap<MemberId, &'a Cause>) -> Option<&'a Cause> {
    if let Standing::Accepted(owner) = standing { causes.get(&owner.member_id).copied() } else { None }
}

/// What the effects of a document that waited inherit: its own trace and correlation go on.
pub(super) fn inherited(kept: &Kept, by: Option<&Cause>) -> Cause {
    Cause {
        id: by.and_then(|cause| cause.id.clone()),
        correlation: kept.event_id.clone().or_else(|| by.and_then(|cause| cause.correlation.clone())),
        trace: kept.traceparent.as_deref().and_then(TraceContext::parse).or_else(|| by.and_then(|cause| cause.trace)),
    }
}

/// Opens a waiting document and stamps it. One that can't be opened or stamped goes on waiting: that is for an operator, and
/// no reason to hold the others up.
pub(super) fn open(cx: &Ctx, row: ParkedRow, out: &Outbox) -> Option<Opened> {
    let trouble = |why: &str| {
        tracing::error!(service = cx.service, store = row.key.store, kind = row.key.kind, received_at = %row.received_at, why, "a parked document can't be released");
    };
    let Ok(kept) = cx.seal.open(&row.kept.content, &place_of(&row.key)) else {
        trouble("its content can't be opened");
        return None;
    };
    let Some(content) = Content::restore(&row.key.kind, &kept) else {
        trouble("its content can't be read");
        return None;
    };
    let in_force = cx.programs.in_force_at(content.at());
    let on_arrival = cx.programs.get(row.program_version);
    let Some(stamp) = decide_release_stamp(&content, in_force.as_deref(), on_arrival.as_deref(), out.now()) else {
        trouble("no known version of the program accepts it");
        return None;
    };
    let keys = keys::of_document(cx, &content);
    Some(Opened { row, content, keys, stamp })
}

/// The second receipt, and the event if it is accepted.
fn tell(cx: &Ctx, out: &mut Outbox, document: &Opened, standing: &Standing, causes: &HashMap<MemberId, &Cause>) {
    let Opened { row, content, keys, stamp } = document;
    let cause = inherited(&row.kept, registered(standing, causes));
    let (status, code) = match standing {
        Standing::Accepted(owner) => {
            Accepted { content, keys, owner, stamp, received_at: row.received_at }.publish(cx, &cause, out);
            (ReceiptStatus::Accepted, code::DOCUMENT_ACCEPTED)
        }
        Standing::Corrects { .. } | Standing::Recorded => (ReceiptStatus::Accepted, code::DOCUMENT_ACCEPTED),
        Standing::Parked(code) => (ReceiptStatus::Parked, *code),
        Standing::Lapsed => (ReceiptStatus::Rejected, code::DOCUMENT_LAPSED),
    };
    let of = ReceiptOf {
        store: StoreCode::try_new(row.key.store.as_str()).ok(),
        kind: &row.key.kind,
        document: Some(&row.key.number),
        event_id: row.kept.event_id.as_deref(),
        sha256: &row.kept.sha256,
    };
    outbound::send_receipt(out, &cause, &of, status, code, None);
}
