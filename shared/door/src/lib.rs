//! Documents that do not come over NATS: handed in by HTTP, or read from a file. Both go the same way as a POS's own: they are
//! published on `pos.v1.<store>.<kind>`, and the receipt says what became of them. No other way into the system exists, so nothing
//! is decided here that ingest would decide otherwise.
//!
//! ```text
//! courier   publishes documents and waits for their receipts: one subscription, however many wait
//! token     who may hand in for which store by HTTP
//! memory    which Idempotency-Key was used for what
//! answer    receipts and problems as HTTP
//! routes    POST /v1/documents/{kind}, GET /v1/documents/{kind}/{number}, GET /v1/openapi.json
//! ```

pub mod answer;
pub mod courier;
pub mod door;
pub mod memory;
pub mod routes;
pub mod token;

pub use courier::{Courier, Fate, Parcel};
pub use door::Door;
pub use routes::router;
/// What [`router`] makes.
pub type Routes = axum::Router;
