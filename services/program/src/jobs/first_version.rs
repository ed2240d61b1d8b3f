//! The first start of all stores the default program as version 1.

use std::{sync::Arc, time::Duration};

use jifen_contracts::event::ProgramApplied;
use jifen_runtime::{Ctx, Failure, Job, Outbox, context::StartError, job, message::Cause};
use sqlx::PgConnection;

use crate::{
    domain::{check::check, version::first_version},
    presets::{DEFAULT_PRESET, preset},
    store,
};

/// Stores version 1 where there is none. Run at start; due again because the copy that was at it may have died meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct FirstVersion;

impl Job for FirstVersion {
    const NAME: &'static str = "first_version";
    const EVERY: Duration = Duration::from_mins(1);

    async fn run(&self, _cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        store::version::lock(tx).await?;
        if store::version::load_newest(tx).await?.is_some() {
            return Ok(());
        }
        let files = preset(DEFAULT_PRESET).unwrap_or_default();
        let (program, _) = check(&files).map_err(|findings| Failure::Defect(format!("the default program: {findings:?}")))?;
        let first = first_version(program, out.now());
        store::version::save(tx, std::slice::from_ref(&first)).await?;
        let sequence = i64::from(first.version);
        out.event(&Cause::default(), Some(sequence), &ProgramApplied(first));
        Ok(())
    }
}

/// The job at start.
pub async fn store_first_version(cx: Arc<Ctx>) -> Result<(), StartError> {
    let stored = job::run_once(&cx, &FirstVersion).await;
    stored.map_err(|error| StartError::Setup { service: cx.service, what: "the first program version".to_owned(), why: error.to_string() })
}
