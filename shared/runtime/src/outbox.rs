//! What a transaction will publish: collected in memory, written with the state, published after COMMIT.

use async_nats::{HeaderMap, header::HeaderName};
use chrono::{DateTime, SubsecRound, Utc};
use jifen_contracts::{Envelope, EventType, envelope, subject};
use jifen_kernel::Ids;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{crypto::SealKey, failure::Failure, limits, message::Cause, trace::TraceContext};

/// One message to publish.
#[derive(Debug, Clone)]
pub struct OutRow {
    /// Also `Nats-Msg-Id`.
    pub id: Uuid,
    /// Where to.
    pub subject: String,
    /// The stream that takes it.
    pub stream: &'static str,
    /// The structured event, in the clear.
    pub payload: bytes::Bytes,
    /// Rests sealed in the table: its payload holds personal values.
    pub sealed: bool,
    /// The message id for the broker, and envelope attributes. Taken when it is sent.
    pub(crate) headers: HeaderMap,
    /// The message's own place in its trace, and its cause's.
    pub(crate) trace: Option<(TraceContext, Option<TraceContext>)>,
}

impl OutRow {
    /// A row read back from the table: its headers are read from its payload again.
    pub(crate) fn resting(id: Uuid, subject: String, stream: &'static str, payload: Vec<u8>, sealed: bool) -> Self {
        #[derive(serde::Deserialize)]
        struct Attributes {
            #[serde(rename = "type")]
            kind: String,
            source: String,
            traceparent: Option<String>,
        }
        let headers = serde_json::from_slice::<Attributes>(&payload)
            .map(|found| headers_for(id, found.kind, found.source, found.traceparent.unwrap_or_default()))
            .unwrap_or_default();
        Self { id, subject, stream, payload: payload.into(), sealed, headers, trace: None }
    }
}

fn headers_for(id: Uuid, kind: String, source: String, traceparent: String) -> HeaderMap {
    let id = id.to_string();
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("Nats-Msg-Id"), id.as_str());
    headers.insert(HeaderName::from_static("content-type"), envelope::CONTENT_TYPE);
    headers.insert(HeaderName::from_static("ce-id"), id);
    headers.insert(HeaderName::from_static("ce-type"), kind);
    headers.insert(HeaderName::from_static("ce-source"), source);
    headers.insert(HeaderName::from_static("traceparent"), traceparent);
    headers
}

/// The messages of one commit.
#[derive(Debug)]
pub struct Outbox {
    service: &'static str,
    now: DateTime<Utc>,
    ids: Ids,
    commit_id: Uuid,
    sample: bool,
    rows: Vec<OutRow>,
}

impl Outbox {
    pub(crate) fn new(service: &'static str, now: DateTime<Utc>, ids: Ids, sample: bool) -> Self {
        // Postgres keeps microseconds: what is published must be what is stored, to the last digit.
        let now = now.trunc_subsecs(6);
        let commit_id = ids.next(now);
        Self { service, now, ids, commit_id, sample, rows: Vec::new() }
    }

    /// The instant of this transaction: what its rows and events are dated with.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Announces a domain event. `sequence` orders state-carrying events about the same thing.
    pub fn event<T: EventType>(&mut self, cause: &Cause, sequence: Option<i64>, data: &T) -> Uuid {
        debug_assert_eq!(T::SERVICE, self.service, "a service publishes its own events only");
        let store = data.store().map(ToString::to_string);
        self.message(cause, data.subject(), T::type_name(), store, sequence, false, data)
    }

    /// Publishes any other structured message (a receipt, a command). `personal`: it rests sealed.
    #[expect(clippy::too_many_arguments, reason = "the attributes of an envelope, each once")]
    pub fn message<T: Serialize>(
        &mut self,
        cause: &Cause,
        subject: String,
        kind: String,
        store: Option<String>,
        sequence: Option<i64>,
        personal: bool,
        data: &T,
    ) -> Uuid {
        let id = self.ids.next(self.now);
        let trace = cause.trace.map_or_else(|| TraceContext::root(&self.ids, self.sample), |trace| trace.child(&self.ids));
        let envelope = Envelope {
            specversion: "1.0".to_owned(),
            id,
            source: format!("/jifen/{}", self.service),
            kind,
            time: self.now,
            datacontenttype: Some("application/json".to_owned()),
            sequence: sequence.map(envelope::sequence_text),
            causationid: cause.id.clone(),
            correlationid: cause.correlation.clone(),
            storeid: store,
            traceparent: Some(trace.to_string()),
            data,
        };
        let payload = serde_json::to_vec(&envelope).unwrap_or_else(|e| unreachable!("contract types serialise: {e}")).into();
        let headers = headers_for(id, envelope.kind, envelope.source, envelope.traceparent.unwrap_or_default());
        let stream = subject::stream_of(&subject).unwrap_or_else(|| unreachable!("{subject} belongs to no stream"));
        self.rows.push(OutRow { id, subject, stream, payload, sealed: personal, headers, trace: Some((trace, cause.trace)) });
        id
    }

    /// Nothing to publish.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn into_commit(self) -> Commit {
        Commit { slot: slot_of(self.now), commit_id: self.commit_id, rows: self.rows }
    }

    /// Writes rows and headers in one statement.
    pub(crate) async fn save(&self, tx: &mut PgConnection, copy: i32, seal: &SealKey) -> Result<(), Failure> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let ordinals: Vec<i32> = (0..self.rows.len()).map(|i| i32::try_from(i).unwrap_or(i32::MAX)).collect();
        let ids: Vec<Uuid> = self.rows.iter().map(|row| row.id).collect();
        let streams: Vec<&str> = self.rows.iter().map(|row| row.stream).collect();
        let subjects: Vec<&str> = self.rows.iter().map(|row| row.subject.as_str()).collect();
        let sealed: Vec<bool> = self.rows.iter().map(|row| row.sealed).collect();
        let payloads: Vec<std::borrow::Cow<'_, [u8]>> = self
            .rows
            .iter()
            .map(|row| if row.sealed { seal.seal(&self.ids, &row.payload, row.id.as_bytes()).into() } else { row.payload.as_ref().into() })
            .collect();
        let payloads: Vec<&[u8]> = payloads.iter().map(AsRef::as_ref).collect();
        sqlx::query(
            "with rows as (
                 insert into outbox (slot, commit_id, ordinal, id, stream, subject, sealed, payload)
                 select $1, $2, u.* from unnest($5::int[], $6::uuid[], $7::text[], $8::text[], $9::bool[], $10::bytea[]) u
                 returning stream
             )
             insert into outbox_commit (slot, commit_id, stream, copy, row_count, created_at)
             select $1, $2, stream, $3, count(*), $4 from rows group by stream",
        )
        .bind(slot_of(self.now))
        .bind(self.commit_id)
        .bind(copy)
        .bind(self.now)
        .bind(&ordinals)
        .bind(&ids)
        .bind(&streams)
        .bind(&subjects)
        .bind(&sealed)
        .bind(&payloads)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// A committed set of messages, on its way to the broker.
#[derive(Debug, Clone)]
pub struct Commit {
    pub(crate) slot: i16,
    pub(crate) commit_id: Uuid,
    pub(crate) rows: Vec<OutRow>,
}

/// The ring's slot of a day.
pub(crate) fn slot_of(at: DateTime<Utc>) -> i16 {
    i16::try_from(day_of(at).rem_euclid(limits::OUTBOX_SLOTS)).unwrap_or(0)
}

/// Days since 1970.
pub(crate) fn day_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(86_400)
}
