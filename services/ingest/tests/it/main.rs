//! ingest on real servers: everything that can happen to a document happens here.

mod activation;
mod corrections;
mod days;
mod foreign_bytes;
mod former;
mod intake;
mod kinds;
mod lapse;
mod parking;
mod rejects;
mod reopened;
mod repeats;
mod support;
