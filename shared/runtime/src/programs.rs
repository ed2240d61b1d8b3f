//! The program's versions, as every service knows them: in memory, and in its own table for a start without `program`.
//!
//! A version is immutable, so knowing one too late is the only thing that can go wrong: an event that names an unknown
//! version comes again until it is known. Announcements arrive as plain messages, and `program` is asked at start and
//! now and then, in case one was missed.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use jifen_contracts::{
    Envelope, EventType,
    endpoint::{ProgramList, ProgramsRequest},
    event::ProgramApplied,
    program::{AppliedProgram, in_force_at},
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{Ctx, endpoint::ask, limits};

type Versions = BTreeMap<u32, Arc<AppliedProgram>>;

/// Every known version. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Programs(Arc<RwLock<Arc<Versions>>>);

impl Programs {
    pub(crate) async fn load(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let rows: Vec<(sqlx::types::Json<AppliedProgram>,)> = sqlx::query_as("select applied from program_version").fetch_all(pool).await?;
        let programs = Self::default();
        programs.learn(rows.into_iter().map(|(applied,)| applied.0));
        Ok(programs)
    }

    /// Takes versions into memory.
    pub fn learn(&self, versions: impl IntoIterator<Item = AppliedProgram>) {
        let mut shared = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = Versions::clone(&shared);
        known.extend(versions.into_iter().map(|applied| (applied.version, Arc::new(applied))));
        *shared = Arc::new(known);
    }

    fn known(&self) -> Arc<Versions> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A version, if it is known.
    pub fn get(&self, version: u32) -> Option<Arc<AppliedProgram>> {
        self.known().get(&version).cloned()
    }

    /// The highest version known.
    pub fn newest(&self) -> Option<Arc<AppliedProgram>> {
        self.known().last_key_value().map(|(_, applied)| Arc::clone(applied))
    }

    /// The highest version below which none is missing; 0 without the first.
    fn complete_to(&self) -> u32 {
        let known = self.known();
        known.keys().zip(1..).take_while(|(version, expected)| **version == *expected).count().try_into().unwrap_or(u32::MAX)
    }

    /// The version in force at `at`, as known now.
    pub fn in_force_at(&self, at: DateTime<Utc>) -> Option<Arc<AppliedProgram>> {
        let known = self.known();
        let version = in_force_at(known.values().map(AsRef::as_ref), at)?.version;
        known.get(&version).cloned()
    }
}

/// Keeps the versions current for as long as the service runs.
pub(crate) async fn keep(cx: Arc<Ctx>, stop: CancellationToken) {
    loop {
        if let Err(why) = follow(&cx, &stop).await {
            tracing::debug!(service = cx.service, why, "the program can't be asked yet; trying again");
        }
        tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(limits::RETRY_FIRST) => {} }
    }
}

async fn follow(cx: &Ctx, stop: &CancellationToken) -> Result<(), String> {
    // First listen, then ask: nothing falls between.
    let mut announced = cx.nats.subscribe(ProgramApplied::filter()).await.map_err(|e| e.to_string())?;
    let mut ask_at = tokio::time::interval(limits::PROGRAM_ASK_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            message = announced.next() => {
                let message = message.ok_or("the subscription ended")?;
                match serde_json::from_slice::<Envelope<ProgramApplied>>(&message.payload) {
                    Ok(event) => remember(cx, vec![event.data.0]).await?,
                    Err(error) => tracing::error!(service = cx.service, %error, "an announced program can't be read"),
                }
            }
            _ = ask_at.tick() => {
                catch_up(cx).await?;
            }
        }
    }
}

/// Asks for what is missing: versions have no gaps, so everything above the highest without one.
async fn catch_up(cx: &Ctx) -> Result<(), String> {
    loop {
        let after = cx.programs.complete_to();
        let reply = ask::<ProgramList>(&cx.nats, &ProgramsRequest { after }).await.map_err(|e| e.to_string())?;
        remember(cx, reply.versions).await?;
        if !reply.more || cx.programs.complete_to() == after {
            return Ok(());
        }
    }
}

async fn remember(cx: &Ctx, versions: Vec<AppliedProgram>) -> Result<(), String> {
    let new: Vec<AppliedProgram> = versions.into_iter().filter(|applied| cx.programs.get(applied.version).is_none()).collect();
    if new.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i32> = new.iter().map(|applied| i32::try_from(applied.version).unwrap_or(i32::MAX)).collect();
    let documents: Vec<serde_json::Value> = new.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    sqlx::query("insert into program_version (version, applied) select * from unnest($1::int[], $2::jsonb[]) on conflict do nothing")
        .bind(&numbers)
        .bind(&documents)
        .execute(&cx.pool)
        .await
        .map_err(|e| e.to_string())?;
    cx.programs.learn(new);
    Ok(())
}
