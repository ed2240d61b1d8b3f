//! The way of a batch: pull, decode, prepare, BEGIN, handle, COMMIT, publish, ack.
//!
//! Publishing and acking of one batch overlap with the transaction of the next. A batch that fails for the world's
//! reasons comes again with a growing delay; one that fails for a message's, or for a stored row that only some of
//! its messages need, is halved until that message stands alone.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    AckKind, Message,
    consumer::{AckPolicy, PullConsumer, pull},
};
use jifen_contracts::{strict, subject};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BatchHandler, Ctx, Decode, Failure, Fates, Incoming, Poison,
    context::StartError,
    dead_letter, failpoint,
    failure::{guarded, panic_text},
    limits,
    message::{Cause, RawMessage},
    outbox::Commit,
    pull::{hand_back, next_batch},
    redelivery::{acknowledge, again, waited},
    trace::TraceContext,
};

/// What a consumer reads and under which durable name all copies share it.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// The durable's name: unique in its stream.
    pub durable: &'static str,
    /// The stream.
    pub stream: &'static str,
    /// What it takes of it.
    pub filters: Vec<String>,
}

/// One handler with its consumer.
pub(crate) struct Runner<H> {
    cx: Arc<Ctx>,
    inbound: Inbound,
    handler: Arc<H>,
}

/// A batch's transaction, done.
struct Done {
    commit: Commit,
    fates: Fates,
}

impl<H: BatchHandler> Runner<H> {
    pub(crate) fn new(cx: Arc<Ctx>, inbound: Inbound, handler: Arc<H>) -> Arc<Self> {
        Arc::new(Self { cx, inbound, handler })
    }

    async fn consumer(&self) -> Result<PullConsumer, StartError> {
        let failed = |why: String| StartError::Setup { service: self.cx.service, what: format!("consumer {}", self.inbound.durable), why };
        let config = pull::Config {
            durable_name: Some(self.inbound.durable.to_owned()),
            description: Some(format!("{} reads {}", self.cx.service, self.inbound.filters.join(", "))),
            filter_subjects: self.inbound.filters.clone(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(self.cx.limits.ack_wait_s),
            max_deliver: -1,
            max_ack_pending: limits::ACKS_PENDING,
            ..pull::Config::default()
        };
        self.cx.js.create_consumer_on_stream(config, self.inbound.stream).await.map_err(|e| failed(e.to_string()))
    }

    /// Sets the consumer up and runs until `stop`; what is under way then is finished.
    pub(crate) async fn start(self: Arc<Self>, tasks: &TaskTracker, stop: CancellationToken) -> Result<(), StartError> {
        let consumer = self.consumer().await?;
        let tracker = tasks.clone();
        tasks.spawn(async move {
            let mut consumer = consumer;
            loop {
                if let Err(why) = self.pull(&consumer, &tracker, &stop).await {
                    tracing::warn!(service = self.cx.service, consumer = self.inbound.durable, why, "pulling stopped; trying again");
                }
                if stop.is_cancelled() {
                    break;
                }
                tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(Duration::from_secs(1)) => {} }
                // The stream or consumer may have been made anew while we were away.
                match self.consumer().await {
                    Ok(made) => consumer = made,
                    Err(error) => tracing::warn!(service = self.cx.service, %error, "the consumer can't be set up; trying again"),
                }
            }
        });
        Ok(())
    }

    async fn pull(self: &Arc<Self>, consumer: &PullConsumer, tasks: &TaskTracker, stop: &CancellationToken) -> Result<(), String> {
        let batch = self.cx.limits.batch_messages;
        let mut pulled = consumer
            .stream()
            .max_messages_per_batch(batch)
            .max_bytes_per_batch(limits::PULL_BYTES)
            .expires(Duration::from_secs(10))
            .heartbeat(Duration::from_secs(3))
            .messages()
            .await
            .map_err(|e| e.to_string())?;
        let in_flight = Arc::new(Semaphore::new(limits::BATCHES_IN_FLIGHT));
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                permit = Arc::clone(&in_flight).acquire_owned() => permit.map_err(|e| e.to_string())?,
            };
            if self.is_entrance() && self.cx.busy() {
                tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(limits::SWEEP_EVERY) => {} }
                continue;
            }
            let Some(chunk) = next_batch(&mut pulled, batch, stop).await else {
                if stop.is_cancelled() {
                    break;
                }
                return Err("the broker ended the stream".to_owned());
            };
            let mut failed = None;
            let messages: Vec<Message> =
                chunk.into_iter().filter_map(|message| message.inspect_err(|error| failed = Some(error.to_string())).ok()).collect();
            self.process(messages, tasks, permit).await;
            if let Some(why) = failed {
                return Err(why);
            }
        }
        hand_back(&mut pulled).await;
        Ok(())
    }

    /// Whether this is where load comes in from outside, and can be made to wait. Who reads events goes on, however much of its
    /// own is unpublished: nothing of EVENTS that it has not read can be purged, so that its rest would end in everybody's, also
    /// where it is only a gateway's stream that is full; and what events bring has been let in at an entrance.
    fn is_entrance(&self) -> bool {
        self.inbound.stream != subject::STREAM_EVENTS
    }

    async fn process(self: &Arc<Self>, messages: Vec<Message>, tasks: &TaskTracker, permit: OwnedSemaphorePermit) {
        let permit = Arc::new(permit);
        failpoint::pass(self.cx.service, "runner.pulled");
        let mut decoded = Vec::with_capacity(messages.len());
        let mut undecodable = Vec::new();
        for message in messages {
            let Some(raw) = raw_of(&message, self.cx.clock.as_ref()) else { continue };
            match decode::<H::Item>(&raw) {
                Ok((item, cause)) => decoded.push((message, Incoming { item, cause, raw })),
                Err(poison) if self.may_be_read_yet(&raw) => {
                    let (service, consumer) = (self.cx.service, self.inbound.durable);
                    tracing::warn!(service, consumer, sequence = raw.stream_sequence, %poison, "comes again");
                    again(&message, raw.deliveries).await;
                }
                Err(poison) => undecodable.push((message, raw, None, poison)),
            }
        }
        self.set_aside(undecodable).await;
        let (acks, items): (Vec<Message>, Vec<Incoming<H::Item>>) = decoded.into_iter().unzip();
        failpoint::pass(self.cx.service, "runner.decoded");
        let mut parts = vec![(acks, items)];
        while let Some((acks, items)) = parts.pop() {
            if items.is_empty() {
                continue;
            }
            let started = Instant::now();
            let result = tokio::time::timeout(limits::TRANSACTION_WAIT, self.transact(&items)).await;
            let result = result.unwrap_or_else(|_| Err(Failure::transient("the transaction took too long")));
            self.cx.telemetry.batch(self.cx.service, self.inbound.durable, items.len(), started.elapsed());
            match result {
                Ok(done) => {
                    let runner = Arc::clone(self);
                    let permit = Arc::clone(&permit);
                    tasks.spawn(async move {
                        runner.finish(done, acks, items).await;
                        drop(permit);
                    });
                }
                Err(Failure::Transient(why)) => {
                    tracing::warn!(
                        service = self.cx.service,
                        consumer = self.inbound.durable,
                        messages = items.len(),
                        why,
                        "the batch comes again"
                    );
                    self.cx.telemetry.count("retried", self.cx.service, self.inbound.durable, items.len());
                    for (message, incoming) in acks.iter().zip(&items) {
                        again(message, incoming.raw.deliveries).await;
                    }
                    // The same trouble awaits the next batch: give it a moment.
                    tokio::time::sleep(limits::RETRY_FIRST).await;
                }
                Err(Failure::Unreadable(why)) if items.len() == 1 && self.is_young(&items[0].raw) => {
                    let (service, consumer, sequence) = (self.cx.service, self.inbound.durable, items[0].raw.stream_sequence);
                    tracing::warn!(service, consumer, sequence, why, "comes again");
                    self.cx.telemetry.count("retried", service, consumer, 1);
                    again(&acks[0], items[0].raw.deliveries).await;
                }
                Err(Failure::Defect(why) | Failure::Unreadable(why)) if items.len() == 1 => {
                    let alone = acks.into_iter().zip(items);
                    let alone =
                        alone.map(|(message, incoming)| (message, incoming.raw, incoming.cause.trace, Poison::invariant(why.clone())));
                    self.set_aside(alone.collect()).await;
                }
                Err(Failure::Defect(why) | Failure::Unreadable(why)) => {
                    tracing::warn!(
                        service = self.cx.service,
                        consumer = self.inbound.durable,
                        messages = items.len(),
                        why,
                        "halving the batch"
                    );
                    let middle = items.len() / 2;
                    let (mut acks, mut items) = (acks, items);
                    let (later_acks, later_items) = (acks.split_off(middle), items.split_off(middle));
                    // Last in, first out: the earlier half goes first, as in the stream.
                    parts.push((later_acks, later_items));
                    parts.push((acks, items));
                }
            }
        }
    }

    /// While copies are replaced one by one, a newer copy of another service says what this one can't read, and a newer one of
    /// this service can. What comes from outside is as bad tomorrow as today, and so is what is no JSON.
    fn may_be_read_yet(&self, raw: &RawMessage) -> bool {
        raw.stream() == subject::STREAM_EVENTS && self.is_young(raw) && strict::object(&raw.payload).is_ok()
    }

    /// What waits for somebody to mend something waits in the stream, of which nothing behind it can be purged: not for ever,
    /// or the stream is full. Counted from its first delivery: an old message that has just been met has its time, too.
    fn is_young(&self, raw: &RawMessage) -> bool {
        waited(raw.deliveries) < Duration::from_secs(self.cx.limits.unreadable_event_s)
    }

    /// Everything between BEGIN and COMMIT. A panic in a handler is a defect of the batch, not the end of the service.
    async fn transact(&self, items: &[Incoming<H::Item>]) -> Result<Done, Failure> {
        guarded(async {
            let prepared = self.handler.prepare(&self.cx, items).await?;
            failpoint::pass(self.cx.service, "runner.prepared");
            let mut out = self.cx.outbox();
            let mut tx = self.cx.pool.begin().await?;
            failpoint::pass(self.cx.service, "runner.began");
            let fates = self.handler.handle(&self.cx, &mut tx, items, &prepared, &mut out).await?;
            failpoint::pass(self.cx.service, "runner.handled");
            let letters: Vec<_> =
                fates.poison.iter().map(|(place, poison)| (&items[*place].raw, items[*place].cause.trace, poison.clone())).collect();
            if !letters.is_empty() {
                dead_letter::save(&self.cx, &mut tx, self.inbound.durable, &letters).await?;
            }
            let commit = self.cx.commit(tx, out).await?;
            Ok(Done { commit, fates })
        })
        .await
    }

    async fn finish(&self, done: Done, acks: Vec<Message>, items: Vec<Incoming<H::Item>>) {
        failpoint::pass(self.cx.service, "runner.finishing");
        self.cx.telemetry.spans(self.cx.service, self.inbound.durable, &done.commit);
        self.cx.relay.publish(done.commit).await;
        failpoint::pass(self.cx.service, "runner.published");
        let mut retry = vec![None; acks.len()];
        for (place, why) in done.fates.retry {
            retry[place] = Some(why);
        }
        let mut again_count = 0;
        for (place, ((message, incoming), retry)) in acks.iter().zip(&items).zip(retry).enumerate() {
            if place == items.len() / 2 {
                failpoint::pass(self.cx.service, "runner.half_acked");
            }
            if let Some(why) = retry {
                tracing::info!(
                    service = self.cx.service,
                    consumer = self.inbound.durable,
                    sequence = incoming.raw.stream_sequence,
                    why,
                    "comes again"
                );
                again(message, incoming.raw.deliveries).await;
                again_count += 1;
            } else {
                acknowledge(message, AckKind::Ack).await;
            }
        }
        failpoint::pass(self.cx.service, "runner.acked");
        self.cx.telemetry.count("retried", self.cx.service, self.inbound.durable, again_count);
        self.cx.telemetry.count("processed", self.cx.service, self.inbound.durable, items.len() - again_count);
    }

    /// All at once: a burst of what nobody can read must not outlast the wait for its acknowledgements.
    async fn set_aside(&self, poisoned: Vec<(Message, RawMessage, Option<TraceContext>, Poison)>) {
        if poisoned.is_empty() {
            return;
        }
        let (mut messages, mut letters) = (Vec::with_capacity(poisoned.len()), Vec::with_capacity(poisoned.len()));
        for (message, raw, trace, poison) in poisoned {
            messages.push((message, raw.deliveries));
            letters.push((raw, trace, poison));
        }
        let saved = async {
            let letters: Vec<_> = letters.iter().map(|(raw, trace, poison)| (raw, *trace, poison.clone())).collect();
            let mut tx = self.cx.pool.begin().await?;
            dead_letter::save(&self.cx, &mut tx, self.inbound.durable, &letters).await?;
            tx.commit().await?;
            failpoint::pass(self.cx.service, "runner.set_aside");
            Ok::<(), Failure>(())
        };
        let saved = saved.await;
        if let Err(error) = &saved {
            tracing::warn!(service = self.cx.service, %error, "dead letters can't be saved; the messages come again");
        }
        for (message, deliveries) in &messages {
            match saved {
                Ok(()) => acknowledge(message, AckKind::Term).await,
                Err(_) => again(message, *deliveries).await,
            }
        }
    }

    /// Hands one message to the handler outside the stream: an operator's retry of a dead letter.
    pub(crate) async fn retry(&self, id: uuid::Uuid, raw: RawMessage) -> Result<(), String> {
        let done = guarded(async {
            let (item, cause) = decode::<H::Item>(&raw).map_err(Failure::defect)?;
            let items = [Incoming { item, cause, raw }];
            let prepared = self.handler.prepare(&self.cx, &items).await?;
            let mut out = self.cx.outbox();
            let mut tx = self.cx.pool.begin().await?;
            let fates = self.handler.handle(&self.cx, &mut tx, &items, &prepared, &mut out).await?;
            if let Some((_, why)) = fates.retry.first() {
                return Err(Failure::transient(why));
            }
            if let Some((_, poison)) = fates.poison.first() {
                return Err(Failure::defect(poison));
            }
            dead_letter::mark_retried(&self.cx, &mut tx, id).await?;
            self.cx.commit(tx, out).await
        });
        self.cx.relay.publish(done.await.map_err(|failure| failure.to_string())?).await;
        Ok(())
    }

    pub(crate) fn durable(&self) -> &'static str {
        self.inbound.durable
    }

    /// Messages that wait in the stream, for the metrics.
    pub(crate) async fn lag(&self) -> Option<u64> {
        let stream = self.cx.js.get_stream_no_info(self.inbound.stream).await.ok()?;
        let mut consumer: PullConsumer = stream.get_consumer(self.inbound.durable).await.ok()?;
        let info = consumer.info().await.ok()?;
        Some(info.num_pending + u64::try_from(info.num_ack_pending).unwrap_or(0))
    }
}

/// A reader that panics can't read the message, and must not end the reading of the others.
fn decode<T: Decode>(raw: &RawMessage) -> Result<(T, Cause), Poison> {
    std::panic::catch_unwind(|| T::decode(raw)).unwrap_or_else(|panic| Err(Poison::undecodable(panic_text(panic.as_ref()))))
}

fn raw_of(message: &Message, clock: &dyn jifen_kernel::Clock) -> Option<RawMessage> {
    let info = message.info().inspect_err(|error| tracing::error!(%error, "a message without delivery info")).ok()?;
    let stored_at = chrono::DateTime::from_timestamp_nanos(info.published.timestamp_nanos_opt().unwrap_or_default());
    Some(RawMessage {
        // The broker lets a NUL pass, the database does not.
        subject: message.subject.replace('\0', "\u{FFFD}"),
        payload: message.payload.clone(),
        stream_sequence: info.stream_sequence,
        stored_at: clock.of_machine(stored_at),
        deliveries: info.delivered,
    })
}

/// The durable's stream for a subject filter: documents, events or gateway receipts.
pub(crate) fn stream_of_filter(filter: &str) -> &'static str {
    subject::stream_of(filter).unwrap_or_else(|| unreachable!("{filter} belongs to no stream"))
}
