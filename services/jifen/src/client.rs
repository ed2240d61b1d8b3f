//! The verbs' connection to a running system.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use jifen_contracts::{Problem, endpoint::Endpoint};
use jifen_infra::{Home, Keys, nats, rights};

use crate::{running::RunningFile, settings::Settings, up::not_running};

/// How long copies of a service have to answer a question to all of them.
const GATHER: Duration = Duration::from_millis(400);

/// A connected operator.
#[derive(Clone)]
pub struct Client {
    /// The broker.
    pub nats: async_nats::Client,
    /// The installation's keys, if this machine has them.
    pub keys: Option<Keys>,
    /// Where the broker is.
    pub url: String,
    /// Where health and metrics are, if the system runs here.
    pub http_address: Option<String>,
}

impl Client {
    /// Connects as operator where the home has the keys, else without credentials.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        // A home that isn't there yet is not made for a question.
        let home = Home::find(&settings.home)?;
        let file = home.as_ref().and_then(|home| RunningFile::load(home.path()));
        let keys = home.as_ref().and_then(|home| Keys::load(home).ok());
        let default = format!("nats://127.0.0.1:{}", settings.nats_port);
        let url = settings.nats_url.clone().or_else(|| file.as_ref().map(|file| file.nats_url.clone())).unwrap_or(default);
        let nats = match &keys {
            Some(keys) => nats::connect(&url, &rights::credentials(keys, rights::OPERATOR)).await.map_err(anyhow::Error::from),
            None => async_nats::connect(&url).await.map_err(anyhow::Error::from),
        };
        let nats = nats.with_context(|| not_running(&settings.home).to_string())?;
        Ok(Self { nats, keys, url, http_address: file.map(|file| file.http_address) })
    }

    /// Asks a service.
    pub async fn ask<E: Endpoint>(&self, request: &E::Request) -> Result<E::Reply, Problem> {
        jifen_runtime::ask::<E>(&self.nats, request).await
    }

    /// Asks with a bare subject, for endpoints that every service has.
    pub async fn ask_bare<R: serde::de::DeserializeOwned>(&self, subject: String, request: &impl serde::Serialize) -> Result<R> {
        let answer = self
            .nats
            .request(subject.clone(), serde_json::to_vec(request)?.into())
            .await
            .with_context(|| format!("{subject} does not answer"))?;
        if answer.headers.as_ref().is_some_and(|headers| headers.get(async_nats::service::NATS_SERVICE_ERROR_CODE).is_some()) {
            let problem: Problem = serde_json::from_slice(&answer.payload)?;
            return Err(problem.into());
        }
        Ok(serde_json::from_slice(&answer.payload)?)
    }

    /// The newest program version that each running copy knows, by service.
    pub async fn program_versions(&self) -> Result<Vec<(String, Option<u64>)>> {
        let inbox = self.nats.new_inbox();
        let mut answers = self.nats.subscribe(inbox.clone()).await?;
        self.nats.publish_with_reply("$SRV.STATS", inbox, "".into()).await?;
        let mut copies = Vec::new();
        while let Ok(Some(message)) = tokio::time::timeout(GATHER, answers.next()).await {
            let stats: serde_json::Value = serde_json::from_slice(&message.payload)?;
            let name = stats["name"].as_str().unwrap_or("?").to_owned();
            let version = stats["endpoints"].as_array().and_then(|list| list.iter().find_map(|e| e["data"]["program_version"].as_u64()));
            copies.push((name, version));
        }
        copies.sort();
        Ok(copies)
    }

    /// Waits until every running copy knows a program version: what is published from then on is judged by it.
    pub async fn wait_for_program(&self, version: u32) -> Result<()> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let copies = self.program_versions().await?;
            // `program` itself decides by its own table.
            let behind: Vec<&str> = copies
                .iter()
                .filter(|(name, known)| name != "program" && known.is_none_or(|known| known < u64::from(version)))
                .map(|(name, _)| name.as_str())
                .collect();
            if behind.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                anyhow::bail!("version {version} is applied, but {} did not learn of it within 30 s", behind.join(", "));
            }
        }
    }
}
