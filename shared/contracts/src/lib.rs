//! The wire contract v1: what stores, gateways and services say to each other.
//!
//! Shapes only change by adding. JSON Schemas and AsyncAPI are generated from here into `schemas/`
//! (`make schemas`); the examples there must decode for ever.
//!
//! Reading order: [`subject`] (where), [`envelope`] (how), [`document`] (what stores send), [`event`] (what
//! services publish), [`notify`] (what gateways get), [`endpoint`] (what can be asked), [`code`] (what can go wrong),
//! [`program`] (the rules as data). [`catalogue`] lists every message once: schemas and AsyncAPI are made from it.

pub mod catalogue;
pub mod code;
pub mod document;
pub mod endpoint;
pub mod envelope;
pub mod event;
pub mod notify;
pub mod program;
pub mod receipt;
pub mod strict;
pub mod subject;

pub use code::{Code, Problem};
pub use envelope::{Envelope, EventType};
pub use event::KeyedHash;
