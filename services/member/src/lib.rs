//! Members: who is registered, how others find and reach them, and the vault of their personal values.
//!
//! ```text
//! register batch -> read applicants -> claim identities (keyed hashes) -> load their owners -> decide in order
//!                -> seal -> save members, vault, vehicles, consents -> `registered` events -> COMMIT -> replies
//! ```
//!
//! No other service has a phone, a name, a VIN or a plate: the others know members by id and vehicles and phones by
//! keyed hash. The values themselves rest sealed under a key of each member's own ([`vault`]) and leave by one door,
//! the contacts endpoint.
//!
//! **Locks.** A registration inserts the rows of `identity` it needs in the order of their hashes, so that two
//! copies wait for each other but never in a circle; who owned a key before is read in a later statement, whose snapshot
//! has what the insert waited for. Nothing else is locked.
//!
//! Reading order: [`endpoints`], [`domain`], [`store`], [`vault`], [`outbound`].

use std::sync::LazyLock;

use jifen_runtime::{Service, with_runtime_tables};
use sqlx::migrate::Migrator;

mod domain;
mod endpoints;
mod outbound;
mod store;
mod vault;

/// The migrations of the service's schema.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| with_runtime_tables(&sqlx::migrate!()));

/// The service with everything that enters it. It reads no events in this release.
pub fn service() -> Service {
    Service::new("member")
        // First: without the vault's key no endpoint is opened.
        .at_start(vault::require)
        .mutates(endpoints::RegisterMembers)
        .answers(endpoints::GetMember)
        .answers(endpoints::BatchContacts)
        .answers(endpoints::CountMembers)
}
