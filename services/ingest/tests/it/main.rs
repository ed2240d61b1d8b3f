//! ingest on real servers: everything that can happen to a document happens here.

mod foreign_bytes;
mod intake;
mod parking;
mod rejects;
mod repeats;
mod support;
