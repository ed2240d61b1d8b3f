//! The service under test. It runs under the name of a real one, for names have rights.

use std::{collections::HashSet, marker::PhantomData};

use jifen_contracts::{EventType, Problem, code, endpoint::Endpoint};
use jifen_kernel::StoreCode;
use jifen_runtime::{Asked, BatchHandler, Ctx, Event, Failure, Fates, Incoming, Mutation, Outbox, Query, Service, inbox};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use sqlx::PgConnection;

use crate::trouble::Troubles;

pub const POINTS: &str = "points";
/// Publishes into a second stream, which a test can take away.
pub const NOTIFICATION: &str = "notification";
/// Where [`NOTIFICATION`] publishes, sealed at rest.
pub const COMMANDS: &str = "notify.v1.sms.SH01";

/// The durable with which [`NOTIFICATION`] reads [`Told`] from outside, too.
pub const REPORTS: &str = "notification_gateway_receipts";

/// The durables under the names that the service has rights to: for [`Told`], for [`Counted`].
pub fn durables(name: &str) -> [&'static str; 2] {
    match name {
        NOTIFICATION => ["notification_settled", "notification_registered"],
        _ => ["points_invoice_accepted", "points_accrual_assessed"],
    }
}

/// Something happens once, by its natural key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    #[serde(deserialize_with = "readable")]
    pub key: String,
}

/// A reader has its own ways to fail.
fn readable<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let key = String::deserialize(from)?;
    assert_ne!(key, "panics when read");
    if key == "unreadable" { Err(D::Error::custom("unreadable")) } else { Ok(key) }
}

/// Something adds up, without a natural key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counted {
    pub key: String,
}

/// What [`POINTS`] says of each [`Told`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub key: String,
}

macro_rules! event {
    ($type:ident, $service:literal, $name:literal) => {
        impl EventType for $type {
            const SERVICE: &'static str = $service;
            const NAME: &'static str = $name;
            fn store(&self) -> Option<&StoreCode> {
                None
            }
        }
    };
}
event!(Told, "ingest", "told");
event!(Counted, "campaign", "counted");
event!(Done, "points", "done");

struct Teller(Troubles);

impl BatchHandler for Teller {
    type Item = Event<Told>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &[Incoming<Self::Item>]) -> Result<(), Failure> {
        Ok(())
    }

    /// Saves first and fails then: what is saved must go with the batch.
    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<Self::Item>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let mut fates = Fates::done();
        let mut met = Ok(());
        let mut fine = Vec::new();
        for (place, incoming) in batch.iter().enumerate() {
            match std::panic::catch_unwind(|| self.0.meet(&incoming.item.data.key)) {
                Ok(Ok(false)) => fine.push(incoming),
                Ok(Ok(true)) => fates.retry.push((place, "told to come again".to_owned())),
                Ok(Err(failure)) => met = met.and(Err(Ok(failure))),
                Err(panic) => met = met.and(Err(Err(panic))),
            }
        }
        let mut keys: Vec<&str> = fine.iter().map(|incoming| incoming.item.data.key.as_str()).collect();
        keys.sort_unstable();
        let new = sqlx::query_scalar("insert into effect (key) select unnest($1::text[]) on conflict do nothing returning key");
        let mut new: HashSet<String> = new.bind(&keys).fetch_all(tx).await?.into_iter().collect();
        for incoming in fine.into_iter().filter(|incoming| new.remove(&incoming.item.data.key)) {
            let done = Done { key: incoming.item.data.key.clone() };
            if cx.service == POINTS {
                out.event(&incoming.cause, None, &done);
            } else {
                let kind = "jifen.notification.command.v1".to_owned();
                out.message(&incoming.cause, COMMANDS.to_owned(), kind, Some("SH01".to_owned()), None, true, &done);
            }
        }
        match met {
            Ok(()) => Ok(fates),
            Err(Ok(failure)) => Err(failure),
            Err(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

struct Counter;

impl BatchHandler for Counter {
    type Item = Event<Counted>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &[Incoming<Self::Item>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<Self::Item>],
        (): &(),
        _: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let mut fates = Fates::done();
        let new = inbox::claim(tx, "counter", cx.clock.now(), batch, &mut fates).await?;
        let keys: Vec<&str> = new.iter().map(|place| batch[*place].item.data.key.as_str()).collect();
        sqlx::query(
            "insert into tally (key, times) select key, count(*) from unnest($1::text[]) key group by key order by key
             on conflict (key) do update set times = tally.times + excluded.times",
        )
        .bind(&keys)
        .execute(tx)
        .await?;
        Ok(fates)
    }
}

/// Adds one to a key's tally.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GiveRequest {
    pub operation_id: String,
    pub key: String,
    #[serde(default)]
    pub store: Option<String>,
    /// Not at all: a refusal for good. `later`: one that time may cure.
    #[serde(default)]
    pub refuse: Option<String>,
}

/// How often it was given by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub key: String,
    pub times: i64,
    pub store: Option<String>,
}

pub struct Give;
impl Endpoint for Give {
    const SUBJECT: &'static str = "api.points.probe.give";
    const FOR_STORES: bool = true;
    type Request = GiveRequest;
    type Reply = Given;
}

/// The same, of the other name.
pub struct GiveElsewhere;
impl Endpoint for GiveElsewhere {
    const SUBJECT: &'static str = "api.notification.probe.give";
    const FOR_STORES: bool = false;
    type Request = GiveRequest;
    type Reply = Given;
}

struct Giver<E>(Troubles, PhantomData<fn(E)>);

impl<E: Endpoint<Request = GiveRequest, Reply = Given>> Mutation for Giver<E> {
    type Endpoint = E;
    type Prepared = ();

    fn operation_id(request: &GiveRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<GiveRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<GiveRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<Given, Problem>>, Failure> {
        let mut answers = Vec::with_capacity(batch.len());
        for Asked { request, cause } in batch {
            match request.refuse.as_deref() {
                Some("later") if self.0.meet(&request.key)? => answers.push(Err(code::SERVICE_UNAVAILABLE.into())),
                Some("later") | None => {
                    let times = sqlx::query_scalar(
                        "insert into tally (key, times) values ($1, 1) on conflict (key) do update set times = tally.times + 1 returning times",
                    );
                    let times = times.bind(&request.key).fetch_one(&mut *tx).await?;
                    self.0.meet(&request.key)?;
                    if cx.service == POINTS {
                        out.event(cause, None, &Done { key: request.key.clone() });
                    }
                    answers.push(Ok(Given { key: request.key.clone(), times, store: request.store.clone() }));
                }
                Some(_) => answers.push(Err(Problem::new(code::MEMBER_UNKNOWN).at("/key"))),
            }
        }
        Ok(answers)
    }
}

/// Asks for a key's tally.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LookRequest {
    pub key: String,
}

pub struct Look;
impl Endpoint for Look {
    const SUBJECT: &'static str = "api.points.probe.look";
    const FOR_STORES: bool = false;
    type Request = LookRequest;
    type Reply = Given;
}

struct Looker(Troubles);

impl Query for Looker {
    type Endpoint = Look;

    async fn answer(&self, cx: &Ctx, request: LookRequest) -> Result<Given, Problem> {
        self.0.meet(&request.key).map_err(|_| code::SERVICE_UNAVAILABLE)?;
        let times = sqlx::query_scalar("select times from tally where key = $1").bind(&request.key).fetch_optional(&cx.pool).await;
        let times = times.map_err(|_| code::SERVICE_UNAVAILABLE)?.ok_or(code::MEMBER_UNKNOWN)?;
        Ok(Given { key: request.key, times, store: None })
    }
}

pub fn service(name: &'static str, troubles: &Troubles) -> Service {
    let [told, counted] = durables(name);
    let service =
        Service::new(name).reads_event(told, Teller(troubles.clone())).reads_event(counted, Counter).answers(Looker(troubles.clone()));
    if name == NOTIFICATION {
        let from_outside = Teller(troubles.clone());
        service.reads(REPORTS, &["gateway.v1.sms.receipt"], from_outside).mutates(Giver::<GiveElsewhere>(troubles.clone(), PhantomData))
    } else {
        service.mutates(Giver::<Give>(troubles.clone(), PhantomData))
    }
}
