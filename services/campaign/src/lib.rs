//! jifen-campaign: what the group's offers add to what members earn.
//!
//! ```text
//! points.earned -> load: birthdays, tiers (if an open offer asks) -> claim: assessment -> load: budgets and members' shares in reach
//!               -> decide: what stacks, a category -> save: participation, promises, budgets
//!               -> campaign.accrual_assessed (always), campaign.budget_exhausted
//! points.reversed -> claim: returned -> load: corrected, promises -> decide: what is due of them -> save: what returns
//! member.*, tier.* -> what audiences ask of members
//! once a day -> campaign.preheated, started, ended; campaign.bonus_granted (promises that are due)
//! ```
//!
//! Every accrual gets exactly one answer, also "none": `points` closes an invoice with it and waits for no timer. Which
//! offers there are is the program's business: the version that the accrual names holds them, so the answer doesn't
//! depend on when it is given, except for what is left of a budget and for the tier, which is the one known by then.
//!
//! Locks are taken in this order: rows of `assessment` by (store, document) or of `returned` by entry, of `corrected` by (store,
//! document), of `deferred` by (campaign, store, document), of `budget` by code, of `member_share` by (member, code).
//!
//! Reading order: [`inbound`] (what is read), [`handlers`] (how a batch is assessed), [`rulebooks`] (versions, ready to be asked),
//! [`domain`] (the rules), [`jobs`] (what a day brings), [`store`] (the tables), [`outbound`] (what is said), [`endpoints`] (what
//! can be asked).

use std::sync::LazyLock;

use jifen_runtime::{Service, with_runtime_tables};
use sqlx::migrate::Migrator;

pub mod domain;
pub mod endpoints;
pub mod handlers;
pub mod inbound;
pub mod jobs;
pub mod outbound;
pub mod rulebooks;
pub mod store;

/// The service with all its entrances.
pub fn service() -> Service {
    inbound::routes(Service::new("campaign"))
}

/// The service's tables, behind the runtime's.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| with_runtime_tables(&sqlx::migrate!()));
