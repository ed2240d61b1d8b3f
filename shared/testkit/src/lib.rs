//! Real servers for tests: one NATS and one Postgres a run, one database and one account a test.
//!
//! `with-servers cargo test …` starts the pair once for all test programs of a run; a test program that finds none
//! starts its own. A test begins with [`TestEnv::start`] and shares nothing with the others: its database is a copy of a
//! migrated template, its NATS account has streams of its own. All of it goes when the test ends.

mod accounts;
mod docker;
mod env;
mod lease;
mod local;
mod servers;
mod services;
mod template;
mod wait;

pub use accounts::{ACCOUNTS, accounts, test_keys};
pub use env::{TestEnv, publish_pos};
pub use jifen_infra::Schema;
pub use local::{Programs, programs};
pub use servers::{DATABASE_URL_VAR, Kind, NATS_URL_VAR, Servers, Wish};
pub use services::service_config;
pub use wait::eventually;
