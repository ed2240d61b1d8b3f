//! The runtime itself, with a small service of its own on real servers: what every service is promised.

mod amnesia;
mod batches;
mod bench;
mod crash;
mod daily;
mod guard;
mod inbox;
mod operations;
mod outbox;
mod probe;
mod programs;
mod trouble;
