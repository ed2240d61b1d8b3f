//! What the routes share: who may come in, how many at once, and the courier.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_nats::Client;
use jifen_contracts::{Problem, code};
use jifen_infra::{
    Keys, nats,
    rights::{self, Credentials},
};
use jifen_kernel::StoreCode;
use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{courier::Courier, memory::Memory, token};

/// Requests under way, each with a document of at most 256 KiB: 64 MiB.
pub const MAX_REQUESTS: usize = 256;
/// Of them one store's: none can shut the others out.
pub const MAX_REQUESTS_OF_A_STORE: usize = 64;

/// The door. Clones share everything.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    url: String,
    credentials: Credentials,
    keys: Keys,
    stop: CancellationToken,
    courier: OnceCell<Courier>,
    memory: Memory,
    all: Arc<Semaphore>,
    /// By store; only of those whose token was right, so there are as many as stores.
    by_store: Mutex<HashMap<StoreCode, Arc<Semaphore>>>,
}

/// The right to be processed; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Door {
    /// To the broker at `url`. It is connected when the first document comes; at `stop` nobody waits any longer.
    pub fn new(url: impl Into<String>, keys: Keys, stop: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            url: url.into(),
            credentials: rights::credentials(&keys, rights::DOOR),
            keys,
            stop,
            courier: OnceCell::new(),
            memory: Memory::default(),
            all: Arc::new(Semaphore::new(MAX_REQUESTS)),
            by_store: Mutex::default(),
        }))
    }

    /// The store whose token this header holds.
    pub fn store_of(&self, authorization: Option<&str>) -> Result<StoreCode, Problem> {
        authorization.and_then(|header| token::store_of(&self.0.keys, header)).ok_or_else(|| Problem::new(code::REQUEST_UNAUTHORIZED))
    }

    /// A place among those under way, or the word that there is none.
    pub fn permit(&self, store: &StoreCode) -> Result<Permit, Problem> {
        let own = self
            .0
            .by_store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(store.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(MAX_REQUESTS_OF_A_STORE)))
            .clone();
        let too_many = |_| Problem::new(code::REQUEST_TOO_MANY);
        Ok(Permit { _own: own.try_acquire_owned().map_err(too_many)?, _all: self.0.all.clone().try_acquire_owned().map_err(too_many)? })
    }

    /// The courier, connected.
    pub async fn courier(&self) -> Result<&Courier, Problem> {
        let connect = async { Box::pin(nats::connect(&self.0.url, &self.0.credentials)).await.map(Courier::new) };
        self.0.courier.get_or_try_init(|| connect).await.map_err(|error| {
            tracing::warn!(%error, "the HTTP door can't reach the broker");
            Problem::new(code::REQUEST_NOT_TAKEN)
        })
    }

    /// The connection, for questions.
    pub async fn client(&self) -> Result<Client, Problem> {
        Ok(self.courier().await?.client().clone())
    }

    /// Until when a receipt is waited for.
    pub async fn end(&self, deadline: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => {}
            () = self.0.stop.cancelled() => {}
        }
    }

    /// The keys that callers have used.
    pub fn memory(&self) -> &Memory {
        &self.0.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_leaves_places_to_the_others() {
        let door = Door::new("nats://127.0.0.1:1", Keys::from_bytes([[1; 32]; 4]), CancellationToken::new());
        let store = |code: &str| StoreCode::try_new(code).expect("store");
        let held: Vec<Permit> = (0..MAX_REQUESTS_OF_A_STORE).map(|_| door.permit(&store("SH01")).expect("a place")).collect();
        assert_eq!(door.permit(&store("SH01")).expect_err("none left").code, "request.too_many");
        door.permit(&store("SH02")).expect("another store's place");
        drop(held);
        door.permit(&store("SH01")).expect("a place again");
    }
}
