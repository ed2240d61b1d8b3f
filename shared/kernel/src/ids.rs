//! Time-ordered identifiers (UUIDv7) from a clock and a source of randomness that a test can seed.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Makes UUIDv7 identifiers. Clones share their source.
#[derive(Debug, Clone)]
pub struct Ids(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Ids {
    /// Identifiers from the operating system's randomness.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The same identifiers for the same seed: for tests and golden files.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// A new identifier whose time part is `at`.
    pub fn next(&self, at: DateTime<Utc>) -> Uuid {
        let mut random = [0_u8; 10];
        self.fill(&mut random);
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// Fills `bytes` with randomness of this source.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::System => rand::rng().fill_bytes(bytes),
            Source::Seeded(rng) => {
                rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(bytes);
            }
        }
    }
}

/// The instant in a UUIDv7, to the millisecond; `None` for other versions.
pub fn instant_of(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = id.get_timestamp().filter(|_| id.get_version_num() == 7)?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

/// A member, as the services know it among themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct MemberId(pub Uuid);

impl std::fmt::Display for MemberId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_carries_its_instant_and_repeats_with_its_seed() {
        let at: DateTime<Utc> = "2026-10-01T00:00:00.123Z".parse().expect("instant");
        let id = Ids::seeded(7).next(at);
        assert_eq!(instant_of(id), Some(at));
        assert_eq!(id, Ids::seeded(7).next(at));
        assert_ne!(Ids::system().next(at), Ids::system().next(at));
    }
}
