//! Which cars customers have, for campaigns that ask: from a list of cars, or from what the system says of its members.

use std::{collections::HashMap, path::Path};

use anyhow::{Context, Result};
use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull::OrderedConfig},
};
use chrono::NaiveDate;
use futures_util::StreamExt;
use jifen_contracts::{
    EventType, KeyedHash,
    event::{InvoiceAccepted, MemberRegistered, MemberUpdated, VehicleKeys},
    program::Program,
    subject,
};
use jifen_kernel::{MemberId, Vin};
use serde::Deserialize;

use super::source::hash_of_car;
use crate::client::Client;

/// What is known of cars.
#[derive(Debug, Clone, Default)]
pub struct Garage {
    /// By the hash that a bill of the same source names.
    cars: HashMap<KeyedHash, VehicleKeys>,
    /// The cars of members, as was said last.
    members: HashMap<MemberId, Vec<VehicleKeys>>,
    /// Bills are made up: so are the cars, one for each customer. The series that campaigns name.
    made_up: Option<Vec<String>>,
}

/// A line of a list of cars.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    vin: String,
    #[serde(default)]
    series: Option<String>,
    #[serde(default)]
    new_on: Option<NaiveDate>,
}

/// As much as a replay needs to know of an event about a member.
#[derive(Debug, Deserialize)]
struct Said {
    data: SaidData,
}

#[derive(Debug, Deserialize)]
struct SaidData {
    member_id: MemberId,
    vehicles: Vec<VehicleKeys>,
}

impl Garage {
    /// A CSV file with the columns `vin`, `series` and `new_on`.
    pub fn list(path: &Path) -> Result<Self> {
        let mut rows = csv::Reader::from_path(path).with_context(|| format!("{} can't be opened", path.display()))?;
        let mut cars = HashMap::new();
        for (line, row) in (2..).zip(rows.deserialize::<Row>()) {
            let place = || format!("{}, line {line}: a car is vin, series, new_on (2024-05-20)", path.display());
            let row = row.with_context(place)?;
            let vin = Vin::try_new(&row.vin).with_context(place)?;
            let key = hash_of_car(vin.expose());
            cars.insert(key.clone(), car(Some(key), row.series.filter(|series| !series.is_empty()), row.new_on));
        }
        Ok(Self { cars, ..Self::default() })
    }

    /// What the system has said of its members, as far as its broker still has it.
    pub async fn recorded(client: &Client) -> Result<Self> {
        let js = jetstream::new(client.nats.clone());
        let stream = js.get_stream(subject::STREAM_EVENTS).await.context("the stream of events is missing: is this jifen's NATS?")?;
        let filter_subjects = vec![MemberRegistered::filter(), MemberUpdated::filter()];
        let config = OrderedConfig { deliver_policy: DeliverPolicy::All, filter_subjects, ..OrderedConfig::default() };
        let mut consumer = stream.create_consumer(config).await?;
        let waiting = consumer.info().await?.num_pending;
        let mut messages = consumer.messages().await?;
        let mut members = HashMap::new();
        for _ in 0..waiting {
            let Some(message) = messages.next().await else { break };
            let said = serde_json::from_slice::<Said>(&message?.payload)?.data;
            members.insert(said.member_id, said.vehicles);
        }
        Ok(Self { members, ..Self::default() })
    }

    /// One for each customer of bills that are made up, some of every series that a program's campaigns name.
    pub fn made_up<'a>(programs: impl IntoIterator<Item = &'a Program>) -> Self {
        let audiences = programs.into_iter().flat_map(|program| program.campaigns.iter().filter_map(|campaign| campaign.vehicle.as_ref()));
        let mut series: Vec<String> = audiences.flat_map(|audience| audience.series.iter().cloned()).collect();
        series.sort_unstable();
        series.dedup();
        Self { made_up: Some(series), ..Self::default() }
    }

    /// The cars that a bill is for: the one that it names, as far as it is known, else those of its member.
    pub fn cars_of(&self, recorded: &InvoiceAccepted) -> Vec<VehicleKeys> {
        if let Some(series) = &self.made_up {
            // Of so many customers each has the next series, and the last one a car that nobody named; from new to eight years old.
            let number = recorded.member_id.0.as_u128();
            let place = usize::try_from(number % (series.len() as u128 + 1)).unwrap_or_default();
            let new_on = NaiveDate::from_ymd_opt(2018 + i32::try_from(number / 7 % 8).unwrap_or_default(), 6, 1);
            return vec![car(recorded.vehicle.clone(), series.get(place).cloned(), new_on)];
        }
        let named = recorded.vehicle.as_ref().and_then(|key| self.cars.get(key)).map(|car| vec![car.clone()]);
        named.or_else(|| self.members.get(&recorded.member_id).cloned()).unwrap_or_default()
    }
}

fn car(vin: Option<KeyedHash>, series: Option<String>, new_on: Option<NaiveDate>) -> VehicleKeys {
    VehicleKeys { vin, plate: None, owned_since: NaiveDate::default(), series, new_on }
}
