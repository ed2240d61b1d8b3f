//! jifen-tier: which step of the ladder each member stands on.
//!
//! ```text
//! points.accrual_settled -> claim: contribution -> load: standings -> decide: add up, climb
//!                        -> save: standing -> tier.upgraded (where a step was taken)
//! ```
//!
//! An accrual is read when base and bonus are both posted, so an upgrade never precedes its own bonus. Qualifying points
//! add up in any order; each accrual counts once, by its document. The ladder is that of the program version which the
//! accrual names.
//!
//! Locks are taken in this order: rows of `contribution` by (store, document), rows of `standing` by `member_id`, new
//! members behind known ones.
//!
//! Reading order: [`inbound`] (what is read), [`handlers`] (how a batch is counted), [`domain`] (the rules), [`store`] (the
//! tables), [`outbound`] (what is said), [`endpoints`] (what can be asked).

use std::sync::LazyLock;

use jifen_runtime::{Service, with_runtime_tables};
use sqlx::migrate::Migrator;

pub mod domain;
pub mod endpoints;
pub mod handlers;
pub mod inbound;
pub mod outbound;
pub mod store;

/// The service with all its entrances.
pub fn service() -> Service {
    inbound::routes(Service::new("tier"))
}

/// The service's tables, behind the runtime's.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| with_runtime_tables(&sqlx::migrate!()));
