//! Real servers for tests: one NATS and one Postgres a run, one database and one account a test.
//!
//! `with-servers cargo test …` starts the pair once for all test programs of a run; a test program that finds none
//! starts its own. A test begins with [`TestEnv::start`] and shares nothing with the others: its database is a copy of a
//! migrated template, its NATS account has streams of its own. All of it goes when the test ends.
//!
//! What tests of several services say alike stands beside it: [`bus`] (what others publish, what came out, waiting until all
//! is done), [`samples`] (programs), [`statements`] (what a batch costs), [`wire`] (what no well-behaved client sends).

mod accounts;
mod broker;
pub mod bus;
mod docker;
mod env;
mod lease;
mod local;
pub mod samples;
mod servers;
mod services;
pub mod statements;
mod template;
mod wait;
pub mod wire;

pub use accounts::{ACCOUNTS, accounts, test_keys};
pub use broker::Broker;
pub use env::{TestEnv, publish_pos};
pub use jifen_infra::Schema;
pub use local::{Programs, programs};
pub use servers::{DATABASE_URL_VAR, Kind, NATS_URL_VAR, Servers, Wish};
pub use services::service_config;
pub use wait::{DEADLINE, eventually};
