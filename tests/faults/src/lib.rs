//! Campaigns of faults against real processes: whatever is killed, stopped, cut or repeated, what comes out is what a model
//! on paper says.
//!
//! ```text
//! plan      what a round will be: people, bills, sendings, faults; all from a seed
//! model     what must come out of it: pure, and without any code of the services
//! site      NATS and Postgres as children; proxy: connections that are cut around COMMIT; forget: lost and spoiled streams
//! fleet     the services' processes, killed and started again
//! stores    documents until each has its receipt; registrations until each is answered
//! tills     points quoted, held and spent, until each question is answered
//! gateway   messages to members, with reports; follow: what outsiders hear
//! settle    until nothing moves; found: what stands in the tables then
//! days      the clock goes on behind a round, and the work of each day is done
//! compare   every difference, in words
//! round, season: all of it together
//! overload  a round of another kind: ten times as much as the system takes, damaged accounts, a gateway that never answers
//! ```

pub mod compare;
pub mod days;
pub mod fleet;
pub mod follow;
mod forget;
pub mod found;
pub mod gateway;
pub mod model;
pub mod overload;
pub mod plan;
pub mod proxy;
pub mod round;
pub mod season;
pub mod settle;
pub mod site;
pub mod stores;
pub mod tills;
