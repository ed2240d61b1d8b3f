//! What stands between the services and Postgres, and cuts connections where it hurts: around COMMIT.
//!
//! It reads just enough of the protocol to see a COMMIT go by and its answer come back. A cut before means that the
//! transaction never was; a cut after means that it was done and nobody was told.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, watch},
    task::JoinHandle,
};

use crate::plan::faults::Cut;

/// An SSLRequest's code, in the place of the protocol's version.
const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// What is to be cut, and what was.
#[derive(Default)]
struct Orders {
    cut: Mutex<Option<(Cut, u32)>>,
    done: AtomicU32,
}

impl Orders {
    /// The order for one COMMIT, if there is one left.
    fn take(&self) -> Option<Cut> {
        let mut order = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        let (cut, left) = order.take()?;
        *order = (left > 1).then_some((cut, left - 1));
        self.done.fetch_add(1, Ordering::Relaxed);
        Some(cut)
    }
}

/// The proxy, running.
pub struct Proxy {
    port: u16,
    orders: Arc<Orders>,
    all: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts it before the Postgres of this port.
    pub async fn start(postgres: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (orders, (all, _)) = (Arc::new(Orders::default()), watch::channel(()));
        let (inner, cuts) = (Arc::clone(&orders), all.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (orders, mut cut_all) = (Arc::clone(&inner), cuts.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        // Either end that goes takes the other with it.
                        _ = pass(client, postgres, &orders) => {}
                        _ = cut_all.changed() => {}
                    }
                });
            }
        });
        Ok(Self { port, orders, all, task })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next so many COMMITs are cut so.
    pub fn cut(&self, cut: Cut, times: u32) {
        *self.orders.cut.lock().unwrap_or_else(PoisonError::into_inner) = Some((cut, times));
    }

    /// Every connection is cut, wherever it is.
    pub fn cut_all(&self) {
        self.all.send_replace(());
    }

    /// Nothing is cut any more; gives how many COMMITs were since the last time.
    pub fn calm(&self) -> u32 {
        *self.orders.cut.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.orders.done.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut_all();
    }
}

/// One connection.
async fn pass(client: TcpStream, postgres: u16, orders: &Orders) -> Result<()> {
    let server = TcpStream::connect(("127.0.0.1", postgres)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut from_client, to_client), (from_server, mut to_server)) = (client.into_split(), server.into_split());
    // The next COMMIT's answer is kept back, and everything ends with it.
    let mute = Arc::new(Notify::new());
    let muted = Arc::clone(&mute);
    tokio::select! {
        ended = requests(&mut from_client, &mut to_server, orders, &mute) => ended,
        ended = answers(from_server, to_client, &muted) => ended,
    }
}

/// Message by message, as far as a COMMIT must be seen.
async fn requests(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, orders: &Orders, mute: &Notify) -> Result<()> {
    // Before the first message with a type: the start, or the question for TLS, which Postgres here answers with no.
    loop {
        let start = message(from, 0).await?;
        to.write_all(&start).await?;
        if start.get(4..8) != Some(&SSL_REQUEST[..]) {
            break;
        }
    }
    loop {
        let message = message(from, 1).await?;
        let is_commit = message[0] == b'Q' && message.get(5..11).is_some_and(|text| text.eq_ignore_ascii_case(b"COMMIT"));
        match is_commit.then(|| orders.take()).flatten() {
            Some(Cut::BeforeCommit) => return Ok(()),
            Some(Cut::AfterCommit) => {
                mute.notify_one();
                // The other half must know before the answer can be there.
                tokio::task::yield_now().await;
                to.write_all(&message).await?;
            }
            None => to.write_all(&message).await?,
        }
    }
}

/// One message: `type_bytes` before its length.
async fn message(from: &mut OwnedReadHalf, type_bytes: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; type_bytes + 4];
    from.read_exact(&mut bytes).await?;
    let length = bytes[type_bytes..].iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    bytes.resize(type_bytes + length.max(4), 0);
    from.read_exact(&mut bytes[type_bytes + 4..]).await?;
    Ok(bytes)
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mute: &Notify) -> Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = tokio::select! {
            biased;
            () = mute.notified() => {
                // The COMMIT's answer came: it was done. Nobody hears of it.
                let _ = from.read(&mut bytes).await?;
                return Ok(());
            }
            count = from.read(&mut bytes) => count?,
        };
        if count == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..count]).await?;
    }
}
