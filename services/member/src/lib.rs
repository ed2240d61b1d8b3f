//! Members: who is registered, how others find and reach them, and the vault of their personal values.
//!
//! ```text
//! register, pos.v1.<store>.sign_up ──> registration: read -> claim identities (keyed hashes) -> load their owners -> decide in order
//!                                        -> seal -> save ──> registered, or of a lapsed one updated; code_issued if it waits
//! activate ──────────────────────────> the code that was sent ──> activated
//! code.send, consent.change ─────────> code_issued, consent_changed
//! update, ingest.vehicle_sold ───────> the member whole: open -> decide -> seal ──> updated
//! once a day ────────────────────────> lapse ──> lapse_warned, lapsed
//! ```
//!
//! No other service has a phone, a name, a VIN or a plate: the others know members by id and vehicles and phones by
//! keyed hash. The values themselves rest sealed under a key of each member's own ([`vault`]) and leave by one door,
//! the contacts endpoint. A code leaves sealed for the service that sends it.
//!
//! **Locks.** In every transaction: first `vehicle_sale` rows (inserted in the order of store and number), then `identity` rows
//! (inserted in the order of their hashes), then `member` rows (locked in the order of their ids), then `code_count` rows
//! (inserted, then locked in the order of scope and time), then `sign_up` and `sign_up_arrival` rows (inserted in the order of
//! their keys). What belongs to a member (`personal`, `vehicle`, `consent`, `activation_code`, an existing `identity`) is changed
//! under the member's row. Who owned a key before is read in a later statement than its claim, whose snapshot has what the
//! claim waited for.
//!
//! Reading order: [`inbound`], [`endpoints`], [`handlers`], [`domain`], [`store`], [`vault`], [`outbound`], [`jobs`].

mod domain;
mod endpoints;
mod handlers;
mod inbound;
mod jobs;
mod keys;
mod outbound;
mod store;
mod vault;

use std::sync::LazyLock;

use jifen_runtime::with_runtime_tables;
use sqlx::migrate::Migrator;

pub use inbound::service;
pub use jobs::lapse::Lapse;

/// The migrations of the service's schema.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| with_runtime_tables(&sqlx::migrate!()));
