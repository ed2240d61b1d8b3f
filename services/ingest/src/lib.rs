//! ingest: documents of stores, their fate, and the receipts that tell it.
//!
//! ```text
//! pos.v1.<store>.<kind> ──> documents: read -> rules -> customer -> claim ──> an event of its kind, receipt
//!                                                       │ nobody known: parked, receipt
//!                                                       │ refused: kept sealed ──> ingest.document_rejected, receipt
//! member.registered, updated, activated, lapsed
//!              ──> member_news: look-up -> release of what waits ──> an event of its kind, second receipt
//! api.ingest.document.assign ──> a person chose: invoice_accepted, second receipt
//! api.ingest.reject.resubmit ──> the way of a document again, with the bytes as they were received
//! ```
//!
//! A document's identity is (store, kind, number), its content the hash of its canonical form. The same again is a
//! duplicate, the same number with other content a conflict. A message that is merely delivered again (known by its place
//! in the stream) has no effect at all, not even a receipt. What is refused leaves nothing that a later document could
//! collide with.
//!
//! Reading order: [`inbound`], [`handlers`], [`domain`], [`store`], [`outbound`], [`endpoints`], [`jobs`].
//!
//! **Two sides that wait for each other.** A document of an unknown customer waits for a registration; a registration, or
//! a key that a member has anew, releases the documents that wait. Neither may miss the other:
//! 1. The document's side looks its keys up. If they decide nothing it upserts a `customer_key` row for each, locks these
//!    rows, looks up again in a later statement, and only then parks.
//! 2. The registration's side upserts and locks the same rows, writes the member into them, and reads what is parked under
//!    them in a later statement.
//!
//! Whoever comes second waits for the lock and then sees what the first has committed. A job looks for pairs that both
//! sides missed, releases them and reports each as a bug.
//!
//! A correction and its invoice wait for each other on the invoice's own row:
//! 1. The correction's side locks the invoice's row, or makes one that says `absent`, and reads what it says in a later statement. An
//!    invoice that another transaction is claiming is waited for.
//! 2. The invoice's claim takes an absent row over, or its release locks the row. Both are told that the row is awaited, and then read
//!    what waits. An invoice that nobody waits for pays nothing for this.
//!
//! **Locks.** In every transaction: first `member` rows (inserted in the order of their ids, then locked in that order), then
//! `customer_key` rows (inserted in the order of their key, then locked in that
//! order), then `document` rows (inserted, or locked for a release or a correction, in the order of store, kind and number), then
//! `arrival` rows, then `reject` rows, both in the order of their keys; then, in the same order again, those of refunds and voids. A
//! parked invoice that replaces another one locks that one's row at its release, out of this order.

mod domain;
mod endpoints;
mod handlers;
mod inbound;
mod jobs;
mod keys;
mod outbound;
mod store;

use std::sync::LazyLock;

use sqlx::migrate::Migrator;

pub use handlers::{documents::Documents, member_news::MemberNews};
pub use inbound::service;
pub use jobs::{lapse_parked::LapseParked, missed_pairs::MissedPairs};

/// The service's tables, behind the runtime's.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| jifen_runtime::with_runtime_tables(&sqlx::migrate!()));
