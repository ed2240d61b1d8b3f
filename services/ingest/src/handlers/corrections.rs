//! The way of what corrects an invoice: new refunds and voids ([`find`], [`save`]), and what has waited for an invoice or is
//! entailed by one ([`follow`]). The rows of the invoices are locked by whoever comes here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jifen_contracts::{
    code,
    document::{Fault, Invoice, StoreDocument},
    receipt::ReceiptStatus,
};
use jifen_kernel::StoreCode;
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;

use super::{intake::place_of, release::inherited};
use crate::{
    domain::{
        bill::refund_text,
        content::Content,
        correction::{Accepted, Target, Voiding, decide_correction},
        fate::DocumentKey,
        received::Received,
        standing::Standing,
    },
    outbound::{self, ReceiptOf},
    store::{
        arrivals,
        corrections::{self, Found, Waited},
        documents::{self, Kept, Released},
        rejects::{self, Refused, RejectKey},
    },
};

/// Corrections of one transaction that had waited. What is left over is the sweep's.
const AT_ONCE: i64 = 5_000;

/// Which invoice a document is about.
pub fn invoice_of(content: &Content) -> Option<DocumentKey> {
    let number = content.corrects()?.to_owned();
    Some(DocumentKey { store: content.store().to_string(), kind: Invoice::KIND.to_owned(), number })
}

/// The invoices that corrections are about, and what a transaction does to them.
pub struct Invoices {
    found: HashMap<DocumentKey, Found>,
    voided: Vec<(DocumentKey, String)>,
    awaited: BTreeSet<DocumentKey>,
    waiting: BTreeSet<(DocumentKey, DocumentKey)>,
}

impl Invoices {
    /// These invoices, locked before.
    pub async fn load(tx: &mut PgConnection, keys: &BTreeSet<DocumentKey>) -> Result<Self, Failure> {
        let found = if keys.is_empty() { HashMap::new() } else { corrections::load_targets(tx, keys).await? };
        Ok(Self { found, voided: Vec::new(), awaited: BTreeSet::new(), waiting: BTreeSet::new() })
    }

    /// What an invoice is; absent if nobody asked for it.
    pub fn target(&self, key: &DocumentKey) -> &Target {
        self.found.get(key).map_or(&Target::Absent, |found| &found.target)
    }

    fn accepted(&self, key: &DocumentKey) -> Option<&Accepted> {
        if let Target::Accepted(accepted) = self.target(key) { Some(accepted) } else { None }
    }

    /// Lets a correction wait for its invoice.
    pub fn wait(&mut self, invoice: &DocumentKey, by: DocumentKey) {
        if self.found.get(invoice).is_some_and(|found| !found.is_awaited) {
            self.awaited.insert(invoice.clone());
        }
        self.waiting.insert((invoice.clone(), by));
    }

    /// Takes an accepted invoice back, once, and says so.
    pub fn void(&mut self, invoice: &DocumentKey, by: &Voiding, cause: &Cause, out: &mut Outbox) -> Result<(), Failure> {
        let Some(Found { target: Target::Accepted(accepted), .. }) = self.found.get_mut(invoice) else { return Ok(()) };
        if accepted.is_voided {
            return Ok(());
        }
        accepted.is_voided = true;
        let store = StoreCode::try_new(invoice.store.as_str()).map_err(Failure::defect)?;
        out.event(cause, None, &outbound::invoice_voided(store, &invoice.number, by, accepted));
        self.voided.push((invoice.clone(), by.number.clone()));
        Ok(())
    }

    /// Tells others of an accepted refund or void.
    pub fn publish(&mut self, content: &Content, by: &Voiding, cause: &Cause, out: &mut Outbox) -> Result<(), Failure> {
        let Some(invoice) = invoice_of(content) else { return Ok(()) };
        match content {
            Content::Refund(refund) => {
                if let Some(accepted) = self.accepted(&invoice) {
                    out.event(cause, None, &outbound::invoice_refunded(refund, accepted, by.business_date, by.received_at));
                }
                Ok(())
            }
            _ => self.void(&invoice, by, cause, out),
        }
    }

    /// Writes what was decided.
    pub async fn save(self, tx: &mut PgConnection) -> Result<(), Failure> {
        corrections::mark_awaited(tx, &self.awaited).await?;
        corrections::save_voided(tx, &self.voided).await?;
        corrections::save_waiting(tx, &self.waiting).await
    }
}

/// What is kept of an accepted correction.
pub fn kept_lines(content: &Content) -> Option<String> {
    if let Content::Refund(refund) = content { Some(refund_text(refund)) } else { None }
}

/// An invoice that takes another one's place.
pub struct Replacing {
    /// Itself.
    pub key: DocumentKey,
    /// The other one.
    pub replaced: DocumentKey,
    /// What there is to say of it.
    pub voiding: Voiding,
    /// What made it so.
    pub cause: Cause,
}

/// What documents of this transaction entail.
#[derive(Default)]
pub struct Settled {
    /// Invoices that got their fate, and for which corrections wait, each with what made it known.
    pub awaited: BTreeMap<DocumentKey, Cause>,
    /// These replace others, whose rows are locked, whatever their own fate: also while they wait.
    pub replacing: Vec<Replacing>,
}

/// Releases what waits for the invoices of `settled`, and takes back those that they replace. Tells how many corrections waited no
/// longer.
pub async fn follow(cx: &Ctx, tx: &mut PgConnection, settled: &Settled, out: &mut Outbox) -> Result<usize, Failure> {
    if settled.awaited.is_empty() && settled.replacing.is_empty() {
        return Ok(0);
    }
    let awaited: BTreeSet<DocumentKey> = settled.awaited.keys().cloned().collect();
    let replaced = settled.replacing.iter().map(|one| one.replaced.clone());
    let mut invoices = Invoices::load(tx, &awaited.iter().cloned().chain(replaced).collect()).await?;
    let count = if awaited.is_empty() { 0 } else { release(cx, tx, settled, &awaited, &mut invoices, out).await? };
    for one in &settled.replacing {
        match invoices.target(&one.replaced) {
            Target::Absent | Target::Parked => invoices.wait(&one.replaced, one.key.clone()),
            Target::Lapsed => {}
            Target::Accepted(_) => invoices.void(&one.replaced, &one.voiding, &one.cause, out)?,
        }
    }
    invoices.save(tx).await?;
    Ok(count)
}

/// A correction that waited, read again.
struct Opened {
    waited: Waited,
    kept: Kept,
    received: Received,
    bytes: Vec<u8>,
    fate: Result<Standing, Fault>,
}

async fn release(
    cx: &Ctx,
    tx: &mut PgConnection,
    settled: &Settled,
    awaited: &BTreeSet<DocumentKey>,
    invoices: &mut Invoices,
    out: &mut Outbox,
) -> Result<usize, Failure> {
    let (mut done, mut opened) = (BTreeSet::new(), Vec::new());
    let cause_of = |waited: &Waited| settled.awaited.get(&waited.invoice).cloned().unwrap_or_default();
    for waited in corrections::load_waiting(tx, awaited, AT_ONCE).await? {
        if matches!(invoices.target(&waited.invoice), Target::Absent | Target::Parked) {
            continue;
        }
        let pair = (waited.invoice.clone(), waited.key.clone());
        if waited.voiding.is_replacement {
            invoices.void(&waited.invoice, &waited.voiding, &cause_of(&waited), out)?;
            done.insert(pair);
        } else if let Some(one) = open(cx, waited, invoices) {
            opened.push(one);
            done.insert(pair);
        }
    }
    save(cx, tx, &opened, out).await?;
    corrections::delete_waiting(tx, &done).await?;
    for one in &opened {
        if let (Ok(Standing::Corrects { .. }), Ok(content)) = (&one.fate, &one.received.content) {
            let cause = inherited(&one.kept, Some(&cause_of(&one.waited)));
            invoices.publish(content, &one.waited.voiding, &cause, out)?;
        }
    }
    tell(&opened, &cause_of, out);
    Ok(done.len())
}

/// Opens a correction and decides on it. One that can't be opened goes on waiting: that is for an operator, and no reason to hold
/// others up.
fn open(cx: &Ctx, mut waited: Waited, invoices: &Invoices) -> Option<Opened> {
    let trouble = |key: &DocumentKey, why: &str| {
        tracing::error!(service = cx.service, store = key.store, kind = key.kind, why, "a waiting correction can't be released");
    };
    let Some(kept) = waited.kept.take() else {
        trouble(&waited.key, "nothing is kept of it");
        return None;
    };
    let Ok(bytes) = cx.seal.open(&kept.content, &place_of(&waited.key)) else {
        trouble(&waited.key, "its content can't be opened");
        return None;
    };
    let received = Received::read(&format!("pos.v1.{}.{}", waited.key.store, waited.key.kind), &bytes);
    let fate = match &received.content {
        Ok(content) => decide_correction(content, invoices.target(&waited.invoice)),
        Err(fault) => Err(fault.clone()),
    };
    Some(Opened { waited, kept, received, bytes, fate })
}

/// Writes what corrections that waited came to. One that is refused after all leaves its number free.
async fn save(cx: &Ctx, tx: &mut PgConnection, opened: &[Opened], out: &mut Outbox) -> Result<(), Failure> {
    let released: Vec<Released<'_>> = opened
        .iter()
        .filter_map(|one| {
            let standing = one.fate.as_ref().ok()?;
            let bill = one.received.content.as_ref().ok().and_then(kept_lines);
            Some(Released { key: &one.waited.key, standing, business_date: one.waited.voiding.business_date, version: None, bill })
        })
        .collect();
    if !released.is_empty() {
        documents::save_released(tx, &released, out.now()).await?;
    }
    let refused: Vec<(&Opened, &Fault)> = opened.iter().filter_map(|one| Some((one, one.fate.as_ref().err()?))).collect();
    if refused.is_empty() {
        return Ok(());
    }
    corrections::free(tx, &refused.iter().map(|(one, _)| &one.waited.key).collect()).await?;
    let arrived: BTreeMap<_, _> = refused.iter().map(|(one, _)| (one.waited.arrival, "rejected")).collect();
    arrivals::save(tx, &arrived).await?;
    let mut rows: BTreeMap<RejectKey, Refused<'_>> = BTreeMap::new();
    for (one, fault) in refused {
        let key = RejectKey { store: one.waited.key.store.clone(), kind: one.waited.key.kind.clone(), sha256: one.kept.sha256 };
        let (received, bytes, arrival) = (&one.received, one.bytes.as_slice(), one.waited.arrival);
        rows.insert(key, Refused { received, bytes, arrival, fault: fault.clone(), times: 1 });
    }
    let ids = rejects::save(cx, tx, &rows, out.now()).await?;
    for (key, row) in &rows {
        if let Some(reject_id) = ids.get(key) {
            out.event(&Cause::default(), None, &outbound::document_rejected(row.received, &key.sha256, *reject_id, &row.fault));
        }
    }
    Ok(())
}

/// The second receipts.
fn tell(opened: &[Opened], cause_of: &impl Fn(&Waited) -> Cause, out: &mut Outbox) {
    for one in opened {
        let (status, code, pointer) = match &one.fate {
            Ok(Standing::Lapsed) => (ReceiptStatus::Rejected, code::DOCUMENT_LAPSED, None),
            Ok(_) => (ReceiptStatus::Accepted, code::DOCUMENT_ACCEPTED, None),
            Err(fault) => (ReceiptStatus::Rejected, fault.code, fault.pointer.as_deref()),
        };
        let of = ReceiptOf {
            store: StoreCode::try_new(one.waited.key.store.as_str()).ok(),
            kind: &one.waited.key.kind,
            document: Some(&one.waited.key.number),
            event_id: one.kept.event_id.as_deref(),
            sha256: &one.kept.sha256,
        };
        outbound::send_receipt(out, &inherited(&one.kept, Some(&cause_of(&one.waited))), &of, status, code, pointer);
    }
}
