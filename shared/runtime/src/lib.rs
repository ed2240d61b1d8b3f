//! What every service stands on: one way for everything that changes state.
//!
//! ```text
//! NATS batch -> decode -> prepare -> BEGIN: claim -> load -> decide -> save + outbox -> COMMIT -> publish -> ack
//! ```
//!
//! The runtime alone owns begin, commit, publish and ack. A service gives [`BatchHandler`]s for events,
//! [`Mutation`]s and [`Query`]s for requests, [`Job`]s for timed work and [`DailyJob`]s for that of a business day; [`Service`] composes and runs them.
//!
//! Reading order: [`service`] (what a service declares), [`handler`] (what it implements), [`runner`] (the way of a
//! batch), [`outbox`], [`relay`], [`sweep`] and [`guard`] (how events leave, and stay), [`endpoint`] (requests), [`programs`] (the rules),
//! [`crypto`], [`telemetry`], [`http`].

mod atomic;
pub mod context;
pub mod copy;
pub mod crypto;
pub mod daily;
pub mod dead_letter;
pub mod endpoint;
pub mod failpoint;
pub mod failure;
pub mod guard;
pub mod handler;
pub mod http;
pub mod inbox;
pub mod job;
pub mod limits;
mod marks;
pub mod message;
pub mod migrations;
mod mutation;
pub mod operation;
pub mod outbox;
pub mod programs;
mod pull;
mod redelivery;
pub mod relay;
pub mod runner;
pub mod service;
pub mod sweep;
pub mod telemetry;
pub mod trace;
pub mod travel;

pub use context::{Ctx, NatsLogin, ServiceConfig};
pub use daily::{DailyJob, Due, Step};
pub use endpoint::{Asked, Mutation, Query, ask};
pub use failure::{BadRow, Failure, Poison};
pub use guard::Republish;
pub use handler::{BatchHandler, Decode, Event, Fates, Incoming};
pub use job::Job;
pub use limits::Limits;
pub use migrations::with_runtime_tables;
pub use outbox::Outbox;
pub use service::{Running, Service, UPKEEP};
