//! Where the invoices come from.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result};
use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull::OrderedConfig},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use jifen_contracts::{
    Envelope, EventType, KeyedHash,
    document::{self, Customer, Invoice, MAX_DOCUMENT_BYTES, Payer, StoreDocument},
    event::{AcceptedLine, AcceptedReduction, InvoiceAccepted},
    program::AppliedProgram,
    subject,
};
use jifen_kernel::{MemberId, Money, Plate, StoreCode, Token, Vin};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    client::Client,
    import::{Bills, Item, Mapping, scan},
    output::Printer,
};

/// An invoice as it is replayed.
pub type Recorded = InvoiceAccepted;

/// Events read ahead.
const AHEAD: usize = 4_000;
/// One customer for so many invoices made up.
const INVOICES_OF_A_CUSTOMER: u64 = 8;

/// Invoices, in their order.
pub struct Source {
    kind: Kind,
    size: u64,
    at: u64,
    left_out: u64,
    first: Option<String>,
}

enum Kind {
    Csv(Box<Bills>),
    Lines { reader: BufReader<File>, line: u64 },
    Events(mpsc::Receiver<Result<Recorded>>),
    MadeUp(Box<MadeUp>),
}

impl Source {
    fn new(kind: Kind, size: u64) -> Self {
        Self { kind, size, at: 0, left_out: 0, first: None }
    }

    /// A CSV file, as `jifen import` reads it.
    pub async fn csv(path: &Path, mapping: &Path, store: &str, out: Printer) -> Result<Self> {
        let (store, mapping) = (StoreCode::try_new(store)?, Mapping::load(mapping)?);
        out.note("looking at the file …");
        let (file, known) = (path.to_owned(), mapping.clone());
        let scan = Arc::new(tokio::task::spawn_blocking(move || scan(&file, &known, |_| ())).await??);
        let bills = scan.bills;
        Ok(Self::new(Kind::Csv(Box::new(Bills::open(path, &mapping, store, scan, 0)?)), bills))
    }

    /// Documents, bare or structured, one a line.
    pub fn lines(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let size = file.metadata().map_or(0, |found| found.len());
        Ok(Self::new(Kind::Lines { reader: BufReader::with_capacity(1 << 20, file), line: 0 }, size))
    }

    /// What ingest has accepted, as far as the broker still has it.
    pub async fn recorded(client: &Client) -> Result<Self> {
        let js = jetstream::new(client.nats.clone());
        let stream = js.get_stream(subject::STREAM_EVENTS).await.context("the stream of events is missing: is this jifen's NATS?")?;
        let filter = InvoiceAccepted::filter();
        let config = OrderedConfig { deliver_policy: DeliverPolicy::All, filter_subject: filter, ..OrderedConfig::default() };
        let mut consumer = stream.create_consumer(config).await?;
        let waiting = consumer.info().await?.num_pending;
        let mut messages = consumer.messages().await?;
        let (sender, events) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            for _ in 0..waiting {
                let next = match messages.next().await {
                    Some(Ok(message)) => {
                        serde_json::from_slice::<Envelope<InvoiceAccepted>>(&message.payload).map(|event| event.data).map_err(Into::into)
                    }
                    Some(Err(error)) => Err(error.into()),
                    None => return,
                };
                if sender.send(next).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self::new(Kind::Events(events), waiting))
    }

    /// Invoices that nobody issued, the same for the same seed.
    pub fn made_up(count: u64, seed: u64, draft: &AppliedProgram) -> Self {
        Self::new(Kind::MadeUp(Box::new(MadeUp::new(count, seed, draft))), count)
    }

    /// How much there is, in [`Self::unit`]s.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is counted.
    pub fn unit(&self) -> &'static str {
        if matches!(self.kind, Kind::Lines { .. }) { "bytes replayed" } else { "invoices replayed" }
    }

    /// How far it is.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// How many could not be read, and the first of them.
    pub fn left_out(&self) -> (u64, Option<String>) {
        (self.left_out, self.first.clone())
    }

    /// The next invoices, at most so many; none at the end.
    pub fn next_parcel(&mut self, most: usize) -> Result<Vec<Recorded>> {
        let mut parcel = Vec::with_capacity(most);
        while parcel.len() < most {
            match self.next_invoice()? {
                Some(Ok(invoice)) => parcel.push(invoice),
                Some(Err(why)) => {
                    self.left_out += 1;
                    self.first.get_or_insert(why);
                }
                None => break,
            }
        }
        Ok(parcel)
    }

    fn next_invoice(&mut self) -> Result<Option<Result<Recorded, String>>> {
        let next = match &mut self.kind {
            Kind::Csv(bills) => match bills.next_item()? {
                None => None,
                Some(Item::Stray(faults)) => {
                    Some(Err(faults.first().map(|fault| format!("line {}: {}", fault.line, fault.text.en)).unwrap_or_default()))
                }
                Some(Item::Bill(bill)) => {
                    self.at += 1;
                    let why = |faults: &[crate::import::LineFault]| {
                        // The others only point to the one that is wrong.
                        let cause =
                            faults.iter().find(|fault| fault.code != jifen_contracts::code::IMPORT_INCOMPLETE.code).or(faults.first());
                        cause.map(|fault| format!("line {}: {}", fault.line, fault.text.en)).unwrap_or_default()
                    };
                    Some(bill.read.map(|ready| accepted(&ready.invoice)).map_err(|faults| why(&faults)))
                }
            },
            Kind::Lines { reader, line } => {
                let mut text = Vec::new();
                let most = 4 * MAX_DOCUMENT_BYTES as u64;
                while text.trim_ascii().is_empty() {
                    text.clear();
                    let bytes = reader.by_ref().take(most).read_until(b'\n', &mut text)?;
                    self.at += bytes as u64;
                    *line += 1;
                    if bytes == 0 {
                        return Ok(None);
                    }
                }
                let read = document::open(text.trim_ascii()).and_then(|opened| Invoice::read(&opened.data));
                Some(read.map(|invoice| accepted(&invoice)).map_err(|fault| format!("line {line}: {fault}")))
            }
            Kind::Events(events) => {
                self.at += 1;
                events.blocking_recv().transpose()?.map(Ok)
            }
            Kind::MadeUp(made_up) => {
                self.at += 1;
                made_up.next_invoice().map(Ok)
            }
        };
        Ok(next)
    }
}

/// An invoice as ingest would accept it, from a customer who is known by the first key that is given.
fn accepted(invoice: &Invoice) -> Recorded {
    let issued_at = invoice.issued_at.to_utc();
    let line = |line: &document::Line| AcceptedLine {
        line: line.line,
        category: line.category.clone(),
        payer: line.payer,
        amount: line.amount,
        principal: line.principal,
    };
    Recorded {
        store: invoice.store.clone(),
        invoice_no: invoice.invoice_no.clone(),
        member_id: member_of(&invoice.customer),
        member_no: String::new(),
        issued_at,
        // Each program has a zone of its own: the replay sets it.
        business_date: invoice.issued_at.date_naive(),
        received_at: issued_at,
        program_version: 0,
        replaces: invoice.replaces.clone(),
        vehicle: vehicle_of(&invoice.customer),
        advisor: None,
        lines: invoice.lines.iter().map(line).collect(),
        reductions: invoice.reductions.iter().map(|off| AcceptedReduction { kind: off.kind, amount: off.amount }).collect(),
        awaiting_activation: false,
    }
}

/// One key, one customer: `member_no`, else phone, else VIN, else plate.
fn member_of(customer: &Customer) -> MemberId {
    let mut hash = Sha256::new();
    if let Some(number) = &customer.member_no {
        hash.update(number);
    } else if let Some(phone) = &customer.phone {
        hash.update(phone.expose());
    } else if let Some(vin) = &customer.vin {
        hash.update(vin.expose());
    } else if let Some(plate) = &customer.plate {
        hash.update(plate.expose());
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    MemberId(Uuid::from_bytes(bytes))
}

/// The car that the bill is for, as nobody can read it: campaigns ask which it is.
fn vehicle_of(customer: &Customer) -> Option<KeyedHash> {
    customer.vin.as_ref().map(Vin::expose).or(customer.plate.as_ref().map(Plate::expose)).map(hash_of_car)
}

/// How a bill of a file names a car.
pub fn hash_of_car(vin_or_plate: &str) -> KeyedHash {
    KeyedHash(hex::encode(Sha256::digest(vin_or_plate)))
}

/// Invoices that nobody issued.
struct MadeUp {
    rng: StdRng,
    count: u64,
    made: u64,
    customers: u128,
    stores: Vec<StoreCode>,
    categories: Vec<Token>,
    first: DateTime<Utc>,
}

impl MadeUp {
    fn new(count: u64, seed: u64, draft: &AppliedProgram) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            count,
            made: 0,
            customers: u128::from(count / INVOICES_OF_A_CUSTOMER + 1),
            stores: draft.program.stores.iter().map(|store| store.code.clone()).collect(),
            categories: draft.program.earn.rates.keys().cloned().collect(),
            first: "2026-01-01T00:00:00Z".parse().unwrap_or(DateTime::UNIX_EPOCH),
        }
    }

    /// A year of business, from the first invoice to the last.
    fn next_invoice(&mut self) -> Option<Recorded> {
        if self.made == self.count || self.stores.is_empty() || self.categories.is_empty() {
            return None;
        }
        let (number, rng) = (self.made, &mut self.rng);
        self.made += 1;
        let seconds = i64::try_from(u128::from(number) * 31_536_000 / u128::from(self.count)).unwrap_or_default();
        let issued_at = self.first + TimeDelta::seconds(seconds);
        let lines = (1..=rng.random_range(1..=4)).map(|line| AcceptedLine {
            line,
            category: self.categories[rng.random_range(0..self.categories.len())].clone(),
            payer: if rng.random_range(0..10) == 0 { Payer::Warranty } else { Payer::Customer },
            amount: Money::from_fen(rng.random_range(1_000..300_000)),
            principal: None,
        });
        let lines = lines.collect();
        Some(Recorded {
            store: self.stores[rng.random_range(0..self.stores.len())].clone(),
            invoice_no: format!("G{number}"),
            member_id: MemberId(Uuid::from_u128(rng.random_range(0..self.customers))),
            member_no: String::new(),
            issued_at,
            business_date: issued_at.date_naive(),
            received_at: issued_at,
            program_version: 0,
            replaces: None,
            vehicle: None,
            advisor: None,
            lines,
            reductions: Vec::new(),
            awaiting_activation: false,
        })
    }
}
