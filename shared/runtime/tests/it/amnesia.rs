//! What a broker's disk can forget, on a server of the test's own: nothing is lost, and nothing gets a second identity.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use async_nats::jetstream::{self, stream::RawMessageErrorKind};
use jifen_contracts::{Envelope, EventType, subject::STREAM_EVENTS};
use jifen_infra::{keeper, streams::ensure_streams};
use jifen_kernel::Ids;
use jifen_runtime::{NatsLogin, Running};
use jifen_testkit::{Broker, DEADLINE, bus, eventually};
use uuid::Uuid;

use crate::{
    bench::{Bench, keys},
    guard::vigilant,
    probe::{self, Done, POINTS, Told},
};

/// A service on a broker that may forget.
struct Forgetful {
    bench: Bench,
    broker: Broker,
    told: BTreeSet<String>,
}

impl Forgetful {
    async fn start() -> Self {
        let bench = Bench::start(POINTS).await;
        let broker = tokio::task::spawn_blocking(Broker::start).await.expect("broker");
        ensure_streams(&broker.client("provisioner").await, 1).await.expect("streams");
        Self { bench, broker, told: BTreeSet::new() }
    }

    async fn copy(&self) -> Running {
        let mut config = vigilant(self.bench.config());
        let credentials = self.broker.credentials(POINTS);
        config.nats = NatsLogin {
            url: self.broker.url(),
            user: Some(credentials.user),
            password: Some(credentials.password),
            inbox_prefix: Some(credentials.inbox_prefix),
        };
        config.limits.batch_messages = 7;
        config.limits.guard_every_s = 2;
        probe::service(POINTS, &self.bench.troubles).start(config).await.expect("the service starts")
    }

    /// Tells keys, and waits until each has had its effect and was announced.
    async fn tell(&mut self, keys: Vec<String>) {
        let (js, ids) = (jetstream::new(self.broker.client("ingest").await), Ids::system());
        for key in keys {
            let told = Told { key: key.clone() };
            let payload = serde_json::to_vec(&bus::envelope(ids.next(bus::published_at()), bus::published_at(), &told)).expect("json");
            js.publish(told.subject(), payload.into()).await.expect("published").await.expect("the stream has it");
            self.told.insert(key);
        }
        Box::pin(self.settled()).await;
    }

    async fn settled(&self) {
        let count = i64::try_from(self.told.len()).expect("count");
        let announced = eventually(DEADLINE, || async {
            let effects = self.bench.number("select count(*) from effect").await;
            let unpublished = self.bench.number("select count(*) from outbox_commit where published_at is null").await;
            let announced = self.announced().await?;
            let there: BTreeSet<String> = announced.keys().cloned().collect();
            (effects == count && unpublished == 0 && there == self.told).then_some(announced)
        })
        .await;
        for (key, ids) in announced {
            assert_eq!(ids.len(), 1, "{key} has more than one identity");
        }
        assert_eq!(self.bench.number("select count(*) from dead_letter").await, 0);
    }

    /// The announcements in the stream: key to ids. None while the broker can't be asked.
    async fn announced(&self) -> Option<BTreeMap<String, BTreeSet<Uuid>>> {
        let stream = jetstream::new(self.broker.client("provisioner").await).get_stream(STREAM_EVENTS).await.ok()?;
        let (mut found, mut next) = (BTreeMap::<String, BTreeSet<Uuid>>::new(), 1);
        loop {
            match stream.get_first_raw_message_by_subject(Done::filter(), next).await {
                Ok(message) => {
                    next = message.sequence + 1;
                    let done: Envelope<Done> = serde_json::from_slice(&message.payload).ok()?;
                    found.entry(done.data.key).or_default().insert(done.id);
                }
                Err(error) if matches!(error.kind(), RawMessageErrorKind::NoMessageFound) => return Some(found),
                Err(_) => return None,
            }
        }
    }

    /// Stops the broker in the given way, damages its disk, starts it again and makes what is missing, as the keeper does. Then
    /// life goes on at once.
    async fn forget(&mut self, end: fn(&mut Broker), damage: impl FnOnce(&Broker)) {
        tokio::task::block_in_place(|| {
            end(&mut self.broker);
            damage(&self.broker);
            self.broker.start_again();
        });
        let provisioner = self.broker.client("provisioner").await;
        ensure_streams(&provisioner, 1).await.expect("streams");
        keeper::find_unreadable(&provisioner).await.expect("read");
    }
}

fn blocks(broker: &Broker) -> Vec<PathBuf> {
    let folder = broker.stream(STREAM_EVENTS).join("msgs");
    let mut blocks: Vec<PathBuf> = fs::read_dir(folder).expect("the stream's folder").flatten().map(|entry| entry.path()).collect();
    blocks.retain(|path| path.extension().is_some_and(|extension| extension == "blk"));
    blocks.sort();
    blocks
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_disk_forgets_comes_again() {
    let mut system = Forgetful::start().await;
    let copy = system.copy().await;
    system.tell(keys("a", 40)).await;
    tokio::task::block_in_place(|| {
        system.broker.stop();
        Broker::replace(&system.broker.store(), &system.broker.backup());
        system.broker.start_again();
    });
    system.tell(keys("b", 40)).await;

    // Killed, and nothing else.
    system.forget(Broker::kill, |_| {}).await;
    system.tell(keys("c", 10)).await;
    // Yesterday's store.
    system.forget(Broker::kill, |broker| Broker::replace(&broker.backup(), &broker.store())).await;
    system.tell(keys("d", 30)).await;
    // Yesterday's messages, today's consumers: they have acknowledged what is no longer there.
    system
        .forget(Broker::stop, |broker| {
            let of = |store: PathBuf| store.join("jetstream/JIFEN/streams").join(STREAM_EVENTS).join("msgs");
            Broker::replace(&of(broker.backup()), &of(broker.store()));
        })
        .await;
    system.tell(keys("e", 10)).await;
    // The last file cut in half.
    system
        .forget(Broker::kill, |broker| {
            let last = blocks(broker).pop().expect("a block");
            let file = fs::File::options().write(true).open(last).expect("the block");
            file.set_len(file.metadata().expect("its size").len() / 2).expect("cut");
        })
        .await;
    system.tell(keys("f", 10)).await;
    // Bits flipped.
    system.forget(Broker::kill, flip_bits).await;
    system.tell(keys("g", 10)).await;
    // A bit of a message flipped while the broker trusts its files: it goes on counting what it can't read.
    system.forget(Broker::stop, flip_a_payload).await;
    system.tell(keys("h", 10)).await;
    // The files with the messages are gone: the stream begins behind what it had.
    system
        .forget(Broker::stop, |broker| {
            for path in blocks(broker) {
                fs::remove_file(path).expect("removed");
            }
        })
        .await;
    system.tell(keys("i", 10)).await;
    // A stream's description is spoilt.
    system.forget(Broker::stop, |broker| fs::write(broker.stream(STREAM_EVENTS).join("meta.inf"), "spoilt").expect("spoilt")).await;
    system.tell(keys("j", 10)).await;
    // The whole store is gone.
    system.forget(Broker::kill, |broker| fs::remove_dir_all(broker.store()).expect("removed")).await;
    system.tell(keys("k", 10)).await;
    assert!(copy.stop().await);
}

/// Far enough from what stands around a message that only the message is spoilt.
fn flip_a_payload(broker: &Broker) {
    let last = blocks(broker).pop().expect("a block");
    let mut bytes = fs::read(&last).expect("the block");
    let place = bytes.len() - 60;
    bytes[place] ^= 0x10;
    fs::write(&last, bytes).expect("flipped");
}

fn flip_bits(broker: &Broker) {
    for path in blocks(broker) {
        let mut bytes = fs::read(&path).expect("the block");
        let length = bytes.len();
        for place in [length / 5, length / 2, length * 4 / 5] {
            bytes[place] ^= 0x10;
        }
        fs::write(&path, bytes).expect("flipped");
    }
}
