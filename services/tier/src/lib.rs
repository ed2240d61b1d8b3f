//! jifen-tier: which step of the ladder each member stands on, and what that brings.
//!
//! ```text
//! points.accrual_settled, ingest.vehicle_sold -> claim: contribution ---+
//! member.registered, member.activated ---------------------------------+-> load: standings, facts where the ladder asks
//! api.tier.member.invite, .approve -> claim: contribution --------------+   -> decide: where they stand now
//! every business day: who is due -------------------------------------- +   -> grant entitlements -> save
//!                                                -> tier.upgraded, downgraded, downgrade_warned, entitlement_*
//! api.tier.entitlement.use, .undo -> lock: standing -> count down or up -> tier.entitlement_used
//! ```
//!
//! An accrual is read when base and bonus are both posted, so an upgrade never precedes its own bonus. Each fact counts once,
//! by its source and document. A ladder of points alone adds up; every other one is told from all facts of the member, by their
//! business dates, so that the order of their arrival makes no difference.
//!
//! Locks are taken in this order: rows of `contribution` by (store, document, source), rows of `standing` by `member_id`, new
//! members behind known ones; entitlements and uses under their member's standing.
//!
//! Reading order: [`inbound`] (what is read), [`handlers`], [`endpoints`] and [`jobs`] (how it enters), [`settle`] (what all of
//! them end with), [`domain`] (the rules), [`store`] (the tables), [`outbound`] (what is said).

use std::sync::LazyLock;

use jifen_runtime::{Service, with_runtime_tables};
use sqlx::migrate::Migrator;

pub mod domain;
pub mod endpoints;
pub mod handlers;
pub mod inbound;
pub mod jobs;
pub mod outbound;
pub mod settle;
pub mod store;

/// The service with all its entrances.
pub fn service() -> Service {
    inbound::routes(Service::new("tier"))
}

/// The service's tables, behind the runtime's.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| with_runtime_tables(&sqlx::migrate!()));
