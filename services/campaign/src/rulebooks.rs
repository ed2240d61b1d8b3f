//! The versions' campaigns, each read once: conditions are compiled and days listed once a version, not once an invoice.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use jifen_contracts::program::AppliedProgram;

use crate::domain::rulebook::Rulebook;

/// Rulebooks by version. A version is immutable, so one that was read stays as it is.
#[derive(Debug, Default)]
pub struct Rulebooks(RwLock<BTreeMap<u32, Arc<Rulebook>>>);

impl Rulebooks {
    /// The rulebook of a version.
    pub fn of(&self, applied: &Arc<AppliedProgram>) -> Arc<Rulebook> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&applied.version).cloned();
        known.unwrap_or_else(|| {
            let rulebook = Arc::new(Rulebook::new(Arc::clone(applied)));
            for (campaign, why) in rulebook.unreadable() {
                tracing::error!(version = applied.version, %campaign, why, "a campaign's condition can't be read: it never applies");
            }
            self.0.write().unwrap_or_else(PoisonError::into_inner).insert(applied.version, Arc::clone(&rulebook));
            rulebook
        })
    }
}
