//! The events that services publish about themselves.
//!
//! No event carries a personal value: keys are keyed hashes, birthdays have no year.

use serde::{Deserialize, Serialize};

/// A keyed hash of a personal value with its key's version: `1:<64 hex>`. Equal values under one key have equal hashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct KeyedHash(pub String);

macro_rules! event {
    ($type:ident, $service:literal, $name:literal, $store:expr) => {
        impl EventType for $type {
            const SERVICE: &'static str = $service;
            const NAME: &'static str = $name;
            fn store(&self) -> Option<&StoreCode> {
                let store: fn(&Self) -> Option<&StoreCode> = $store;
                store(self)
            }
        }
    };
}

mod campaign;
mod day;
mod ingest;
mod lots;
mod member;
mod notification;
mod points;
mod program;
mod seal;
mod tier;

pub use campaign::*;
pub use day::*;
pub use ingest::*;
pub use lots::*;
pub use member::*;
pub use notification::*;
pub use points::*;
pub use program::*;
pub use seal::*;
pub use tier::*;
