//! What a test makes go wrong, by the key of a message or request, until it is mended.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jifen_runtime::{BadRow, Failure};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The handler says that a message is at fault.
    Defect,
    /// The handler panics.
    Panic,
    /// The world is at fault, so many times.
    Transient(u32),
    /// A row that it needs can't be read.
    Unreadable,
    /// This one comes again, so many times.
    Retry(u32),
}

/// The troubles of a test. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Troubles(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    troubles: HashMap<String, Trouble>,
    met: HashSet<String>,
}

impl Troubles {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn cause(&self, key: &str, trouble: Trouble) {
        self.state().troubles.insert(key.to_owned(), trouble);
    }

    pub fn mend(&self, key: &str) {
        self.state().troubles.remove(key);
    }

    /// True once a trouble of this key has happened.
    pub fn was_met(&self, key: &str) -> bool {
        self.state().met.contains(key)
    }

    /// Whether this one is to come again; the other troubles happen here.
    pub fn meet(&self, key: &str) -> Result<bool, Failure> {
        let met = self.state().next(key);
        match met {
            None => Ok(false),
            Some(Trouble::Retry(_)) => Ok(true),
            Some(Trouble::Transient(_)) => Err(Failure::transient("the world is at fault")),
            Some(Trouble::Unreadable) => Err(BadRow { table: "effect", key: key.to_owned(), what: "key" }.into()),
            Some(Trouble::Defect) => Err(Failure::defect("told to fail")),
            Some(Trouble::Panic) => panic!("told to panic"),
        }
    }
}

impl State {
    fn next(&mut self, key: &str) -> Option<Trouble> {
        let met = *self.troubles.get(key)?;
        self.met.insert(key.to_owned());
        match self.troubles.get_mut(key) {
            Some(Trouble::Transient(times) | Trouble::Retry(times)) if *times > 1 => *times -= 1,
            Some(Trouble::Transient(_) | Trouble::Retry(_)) => {
                self.troubles.remove(key);
            }
            _ => {}
        }
        Some(met)
    }
}
