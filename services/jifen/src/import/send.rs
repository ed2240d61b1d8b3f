//! Bills on their way: so many at once, each until its receipt is there.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use futures_util::{StreamExt, stream::FuturesUnordered};
use jifen_contracts::{
    code,
    document::MAX_DOCUMENT_BYTES,
    receipt::{Receipt, ReceiptStatus},
    subject,
};
use jifen_door::{Courier, Fate, Parcel};
use jifen_kernel::StoreCode;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    bills::{Bill, Item, Ready, place_of, the_others},
    faults::{ErrorFile, LineFault},
    mapping::Plan,
};
use crate::output::Printer;

/// Bills without their receipt: what a batch of ingest takes, so that it never waits for us.
const IN_FLIGHT: usize = 500;
/// When asked to stop, receipts that are on their way are waited for.
const LAST_RECEIPTS: Duration = Duration::from_secs(5);

/// What became of the bills.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    pub accepted: u64,
    pub duplicate: u64,
    pub parked: u64,
    pub rejected: u64,
    /// That were not sent.
    pub faulty: u64,
    /// Lines that belong to no bill.
    pub stray_lines: u64,
    /// Sent, without a receipt when it ended.
    pub unanswered: u64,
    /// Where to go on, if it was ended early: the first line without an answer.
    pub go_on_at: Option<u64>,
}

impl Tally {
    /// Nothing was refused, and nothing is open.
    pub fn is_good(&self) -> bool {
        self.rejected + self.faulty + self.stray_lines + self.unanswered == 0 && self.go_on_at.is_none()
    }
}

/// Sends what comes out of `items` until it ends or `stop` asks.
pub struct Sender<'a> {
    pub courier: &'a Courier,
    pub store: &'a StoreCode,
    pub plan: Arc<Plan>,
    pub errors: &'a mut ErrorFile,
    pub bar: &'a indicatif::ProgressBar,
    pub stop: CancellationToken,
    pub out: Printer,
}

impl Sender<'_> {
    pub async fn run(mut self, mut items: mpsc::Receiver<Result<Item>>) -> Result<Tally> {
        let (mut tally, mut ended) = (Tally::default(), false);
        let said = Said::new(self.out);
        let (courier, stop) = (self.courier.clone(), self.stop.clone());
        let deliver = async |bill: Box<Bill>, parcel: Parcel| {
            let end = async {
                stop.cancelled().await;
                tokio::time::sleep(LAST_RECEIPTS).await;
            };
            let fate = courier.deliver(&parcel, end, &|why| said.say(why)).await;
            (bill, fate)
        };
        let mut deliveries = FuturesUnordered::new();
        while !ended || !deliveries.is_empty() {
            tokio::select! {
                biased;
                Some(done) = deliveries.next() => {
                    let (bill, fate): (Box<Bill>, Fate) = done;
                    self.count(&bill, fate, &mut tally)?;
                }
                () = stop.cancelled(), if !ended => {
                    ended = true;
                    // What was read ahead begins there.
                    tally.go_on_at = items.recv().await.transpose()?.map(|item| first_line(&item));
                }
                item = items.recv(), if !ended && deliveries.len() < IN_FLIGHT => match item.transpose()? {
                    None => ended = true,
                    Some(Item::Stray(faults)) => {
                        tally.stray_lines += faults.len() as u64;
                        self.errors.write(&faults)?;
                    }
                    Some(Item::Bill(bill)) => match self.parcel(&bill) {
                        Ok(parcel) => deliveries.push(deliver(bill, parcel)),
                        Err(faults) => {
                            tally.faulty += 1;
                            self.errors.write(&faults)?;
                            self.bar.inc(1);
                        }
                    },
                },
            }
        }
        Ok(tally)
    }

    /// A bill as it is published: always the same bytes for the same bill.
    fn parcel(&self, bill: &Bill) -> Result<Parcel, Vec<LineFault>> {
        let Ready { data, .. } = bill.read.as_ref().map_err(Clone::clone)?;
        let store = self.store;
        let envelope = json!({
            "specversion": "1.0", "id": format!("import/{store}/{}", bill.number), "source": format!("/stores/{store}/import"),
            "type": "pos.invoice", "data": data,
        });
        let bytes = envelope.to_string().into_bytes();
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(bill.lines.iter().map(|line| LineFault::new(*line, "", code::DOCUMENT_TOO_LARGE)).collect());
        }
        Ok(Parcel { subject: subject::pos(store, "invoice"), bytes })
    }

    fn count(&mut self, bill: &Bill, fate: Fate, tally: &mut Tally) -> Result<()> {
        match fate {
            Fate::Told(receipt) => match receipt.status {
                ReceiptStatus::Accepted => tally.accepted += 1,
                ReceiptStatus::Duplicate => tally.duplicate += 1,
                ReceiptStatus::Parked => tally.parked += 1,
                ReceiptStatus::Rejected => {
                    tally.rejected += 1;
                    self.errors.write(&the_others(self.refused(bill, &receipt), &bill.lines))?;
                }
            },
            // Only after being asked to stop. Whether it arrived or not, importing it again does no harm.
            Fate::Taken | Fate::NotTaken(_) => {
                tally.unanswered += 1;
                let first = bill.lines.first().copied().unwrap_or_default();
                tally.go_on_at = Some(tally.go_on_at.map_or(first, |line| line.min(first)));
                let unanswered: Vec<_> = bill.lines.iter().map(|line| LineFault::new(*line, "", code::IMPORT_UNANSWERED)).collect();
                self.errors.write(&unanswered)?;
            }
        }
        self.bar.inc(1);
        Ok(())
    }

    /// A refusal, at the line and column that it is about.
    fn refused(&self, bill: &Bill, receipt: &Receipt) -> LineFault {
        let (line, column) = place_of(receipt.pointer.as_deref().unwrap_or_default(), &bill.lines, &self.plan);
        LineFault {
            line: line.or(bill.lines.first().copied()).unwrap_or_default(),
            column,
            code: receipt.code.clone().unwrap_or_default(),
            text: receipt.text.clone(),
        }
    }
}

fn first_line(item: &Item) -> u64 {
    match item {
        Item::Bill(bill) => bill.lines.first().copied().unwrap_or_default(),
        Item::Stray(faults) => faults.first().map_or(0, |fault| fault.line),
    }
}

/// Says why it takes long, each reason once.
struct Said {
    out: Printer,
    last: Mutex<String>,
}

impl Said {
    fn new(out: Printer) -> Self {
        Self { out, last: Mutex::default() }
    }

    fn say(&self, why: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != why {
            self.out.note(format!("waiting: {why}"));
            why.clone_into(&mut last);
        }
    }
}
