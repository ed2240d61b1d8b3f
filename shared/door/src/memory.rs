//! Which `Idempotency-Key` was used for what. A key stands for one content: a repeat gets the answer of the first, other content is
//! refused. This is a convenience of one process: whatever it has forgotten is decided by the document's own identity, as ever.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jifen_kernel::StoreCode;
use tokio::sync::watch;

use crate::answer::Answer;

/// Keys remembered; of more, the oldest are forgotten. Some 20 MB with their answers.
pub const MAX_KEYS: usize = 20_000;

type Key = (StoreCode, String);
type Said = watch::Receiver<Option<Answer>>;

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<Key, ([u8; 32], Said)>,
    oldest: VecDeque<Key>,
}

/// The keys. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Entries>>);

/// What a key says about a request.
#[derive(Debug)]
pub enum Known {
    /// Nothing yet, or nothing that lasts: this request is to be processed, and its answer put here.
    New(watch::Sender<Option<Answer>>),
    /// The same request has been answered, or is being processed.
    Same(Said),
    /// It was used for something else.
    Other,
}

impl Memory {
    /// What `key` of `store` says about content with this hash. Of several at once one is new, and the others wait for it.
    pub fn look(&self, store: &StoreCode, key: &str, hash: [u8; 32]) -> Known {
        let mut entries = self.lock();
        let key = (store.clone(), key.to_owned());
        if let Some((known, said)) = entries.by_key.get(&key) {
            if *known != hash {
                return Known::Other;
            }
            // Answered for good, or its sender still works on it. Else it broke off or came to nothing final: once more.
            if said.borrow().is_some() || said.has_changed().is_ok() {
                return Known::Same(said.clone());
            }
        }
        let (sender, said) = watch::channel(None);
        if entries.by_key.insert(key.clone(), (hash, said)).is_none() {
            entries.oldest.push_back(key);
        }
        while entries.oldest.len() > MAX_KEYS {
            if let Some(oldest) = entries.oldest.pop_front() {
                entries.by_key.remove(&oldest);
            }
        }
        Known::New(sender)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer::problem(jifen_contracts::code::REQUEST_NOT_FOUND.into())
    }

    #[test]
    fn a_key_stands_for_one_content_until_it_is_forgotten() {
        let memory = Memory::default();
        let store = StoreCode::try_new("SH01").expect("store");
        let other = StoreCode::try_new("SH02").expect("store");
        let Known::New(sender) = memory.look(&store, "k", [1; 32]) else { panic!("new") };
        assert!(matches!(memory.look(&store, "k", [1; 32]), Known::Same(said) if said.borrow().is_none()), "it is being processed");
        assert!(matches!(memory.look(&store, "k", [2; 32]), Known::Other));
        assert!(matches!(memory.look(&other, "k", [2; 32]), Known::New(_)), "another store's keys are its own");
        drop(sender);
        let Known::New(sender) = memory.look(&store, "k", [1; 32]) else { panic!("what broke off is done again") };
        sender.send_replace(Some(answer()));
        drop(sender);
        assert!(matches!(memory.look(&store, "k", [1; 32]), Known::Same(said) if said.borrow().is_some()), "it was answered");
        for number in 0..MAX_KEYS {
            memory.look(&store, &format!("n{number}"), [3; 32]);
        }
        assert!(matches!(memory.look(&store, "k", [2; 32]), Known::New(_)), "the oldest are forgotten");
        assert!(memory.lock().by_key.len() <= MAX_KEYS);
    }
}
