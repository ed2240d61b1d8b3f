//! jifen-notification: what members are told, once, and what became of it.
//!
//! ```text
//! member.*, points.accrual_settled, tier.*, campaign.* -> prepare: contacts of the batch, asked before BEGIN
//!     -> decide: template of the named program version, way, consent, parameters -> claim: send -> notify.v1.<channel>.<store>
//!     advertising -> claim: send, waiting
//! job: due -> contacts, quiet hours, the week's limit -> notify.v1.<channel>.<store>
//! gateway.v1.<channel>.receipt -> lock and load: sends -> decide: forward only -> save
//!     -> notification.delivered | notification.failed, and the next way waits at once
//! gateway.v1.<channel>.reply -> words that end advertising -> api.member.consent.change
//! ```
//!
//! One business event never reaches a member twice: a send's key is (member, kind, business key, attempt) for ever, whatever comes
//! again, late or in another order; another attempt is made only when a gateway has said that the one before will not arrive. What
//! may not be sent (no consent, no contact) takes its key too. An address is only ever in memory and in the sealed command.
//!
//! Locks are taken in this order: rows of `send` by (`member_id`, kind, `business_key`, attempt), those that wait by their due
//! time in one job that runs alone; then rows of `task`, then of `member`.
//!
//! Reading order: [`inbound`] (what is read), [`handlers`] (how a batch is told or reported), [`domain`] (the rules), [`store`]
//! (the tables), [`jobs`] (what is timed), [`outbound`] (what is said), [`endpoints`] and [`opt_out`] (what can be
//! asked).

use std::sync::LazyLock;

use jifen_runtime::{Service, with_runtime_tables};
use sqlx::migrate::Migrator;

pub mod domain;
pub mod endpoints;
pub mod handlers;
pub mod inbound;
pub mod jobs;
pub mod opt_out;
pub mod outbound;
pub mod store;

/// The service with all its entrances.
pub fn service() -> Service {
    inbound::routes(Service::new("notification"))
}

/// The service's tables, behind the runtime's.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| with_runtime_tables(&sqlx::migrate!()));
