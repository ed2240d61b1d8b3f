//! One round: load and faults together, rest, comparison.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result};
use async_nats::jetstream;
use rand::{SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use crate::{
    compare::{Seen, days, differences, kinds},
    days::pass,
    fleet::{Fleet, Tally},
    follow::{Follower, Heard},
    found::Found,
    gateway::Gateway,
    model::Expected,
    plan::{
        Plan,
        faults::{Amnesia, Deed, Fault},
    },
    settle::settle,
    site::{GUARD_EVERY_S, Site},
    stores::{Desk, Progress, of_stores, register, send, taken},
    tills::serve,
};

/// Longer than the guard's pauses, twice.
const GUARD_LOOKS: Duration = Duration::from_secs(2 * GUARD_EVERY_S as u64 + 1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What outsiders hear of a site, through all its rounds.
pub struct Ears {
    pub(crate) receipts: Arc<Follower>,
    pub(crate) notify: Arc<Follower>,
    pub(crate) events: Arc<Follower>,
    pub(crate) nats: async_nats::Client,
}

impl Ears {
    /// Begins to listen.
    pub async fn start(site: &Site) -> Result<Self> {
        let nats = site.provisioner().await?;
        let follow = |stream| Arc::new(Follower::start(&nats, stream));
        Ok(Self { receipts: follow("RECEIPTS"), notify: follow("NOTIFY"), events: follow("EVENTS"), nats })
    }
}

/// How a round went.
#[derive(Debug)]
pub struct Verdict {
    /// Messages that the stores sent.
    pub documents: usize,
    /// Of them: sent again because no receipt came.
    pub resent: u32,
    /// What happened to processes, servers and connections.
    pub tally: Tally,
    /// What it had of each kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// How long it took to come to rest.
    pub settled: Duration,
    /// Everything that is not as it must be.
    pub wrong: Vec<String>,
}

/// Plays a round. An error is what kept it from being judged: as wrong as a difference.
pub async fn play(site: &mut Site, ears: &Ears, plan: &Arc<Plan>) -> Result<Verdict> {
    let expected = Expected::of(plan);
    let [from_receipts, from_notify, from_events] = [&ears.receipts, &ears.notify, &ears.events].map(|ears| ears.count());
    let began = site.now();
    let mut fleet = Fleet::start(site, &plan.layout, &plan.traps)?;
    fleet.wait_until_ready(site).await?;
    let gateway = Gateway::start(&ears.nats, Arc::clone(&ears.notify), from_notify, plan.stores.clone());
    let progress = Progress::default();
    let sending = tokio::spawn(send(ears.nats.clone(), Arc::clone(plan), Arc::clone(&ears.receipts), from_receipts, progress.clone()));
    let desk = Arc::new(Mutex::new(Desk::default()));
    let registering = tokio::spawn(register(ears.nats.clone(), Arc::clone(plan), Arc::clone(&desk), progress.clone()));
    let serving = tokio::spawn(serve(ears.nats.clone(), Arc::clone(plan), Arc::clone(&desk), progress.clone()));
    poison(&ears.nats, plan).await?;
    disturb(site, &mut fleet, plan, &progress).await?;
    fleet.calm();
    fleet.tally.counts.insert("cut at COMMIT".to_owned(), site.proxy.calm());
    while !(sending.is_finished() && registering.is_finished() && serving.is_finished()) {
        fleet.look(site)?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    registering.await??;
    let (sent, tills) = (sending.await??, serving.await??);
    let followers = [&*ears.receipts, &*ears.notify, &*ears.events];
    let served = || gateway.served() == ears.notify.count();
    let settled =
        settle(site, &ears.nats, &mut fleet, &followers, served, plan.faults.iter().map(rest_after).max().unwrap_or_default()).await?;
    let passes = !plan.passing.jumps.is_empty();
    if passes {
        fleet.arm(&plan.passing.traps);
    } else {
        fleet.kill_all();
    }
    let found = Found::read(&mut site.database().await?, &plan.stores, began).await?;
    let seen = Seen {
        found,
        desk: taken(&desk),
        tills,
        sent,
        receipts: of_stores(ears.receipts.since(from_receipts), &plan.stores),
        events: of_stores(ears.events.since(from_events), &plan.stores),
        present: [&ears.events, &ears.receipts].into_iter().flat_map(|ears| ears.present()).filter_map(id_of).collect(),
        inboxes: gateway.end().await?,
        forgot: plan.faults.iter().any(|fault| matches!(fault.deed, Deed::Amnesia(_))),
        unreported: false,
    };
    let mut wrong = differences(plan, &expected, &seen);
    let mut had = kinds(plan, &expected, &seen);
    if passes && wrong.is_empty() {
        let passed = pass(site, ears, &mut fleet, plan, &seen.desk.registered).await?;
        wrong.extend(days::days(plan, &passed));
        had.extend(days::kinds(plan, &passed));
    }
    let mut tally = fleet.end();
    wrong.append(&mut tally.wrong);
    tally.counts.retain(|_, count| *count > 0);
    let documents = seen.sent.times.values().sum::<u32>() as usize;
    Ok(Verdict { documents, kinds: had, resent: seen.sent.resent, tally, settled, wrong })
}

pub(crate) fn id_of(heard: Heard) -> Option<String> {
    heard.json["id"].as_str().map(str::to_owned)
}

/// How long nothing may move before all is noticed that this fault undid.
fn rest_after(fault: &Fault) -> Duration {
    if matches!(fault.deed, Deed::Amnesia(_)) { GUARD_LOOKS } else { Duration::ZERO }
}

/// Messages that nobody can read, each once: the broker knows them by their ids.
async fn poison(nats: &async_nats::Client, plan: &Plan) -> Result<()> {
    let mut js = jetstream::new(nats.clone());
    js.set_timeout(Duration::from_secs(2));
    for (place, poison) in plan.poison.iter().enumerate() {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("poison-{}-{place}", plan.seed));
        js.publish_with_headers(poison.subject.clone(), headers, poison.bytes.clone().into()).await?.await.context("poison")?;
    }
    Ok(())
}

/// Does the faults of a plan, each when so much of the load is out.
async fn disturb(site: &mut Site, fleet: &mut Fleet, plan: &Plan, progress: &Progress) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x4641_554c);
    let mut servers_disturbed = false;
    for fault in &plan.faults {
        if let Deed::Amnesia(Amnesia::Restored) = fault.deed {
            watch(site, fleet, progress.reached(fault.at / 2)).await?;
            site.copy_store()?;
        }
        watch(site, fleet, progress.reached(fault.at)).await?;
        match &fault.deed {
            Deed::Amnesia(amnesia) => {
                site.forget(*amnesia, &mut rng).await?;
                fleet.tally.count(amnesia.name());
                servers_disturbed = true;
            }
            Deed::KillAll => fleet.kill_all(),
            Deed::KillOne => fleet.kill_one(&mut rng),
            Deed::BrokerKilled => {
                site.kill_broker()?;
                fleet.tally.count("broker killed");
                servers_disturbed = true;
            }
            Deed::BrokerStops(ms) => {
                site.stop_broker(Duration::from_millis(*ms)).await?;
                fleet.tally.count("broker stopped");
                servers_disturbed = true;
            }
            Deed::DatabaseRestarts => {
                site.restart_database()?;
                fleet.tally.count("database restarted");
                servers_disturbed = true;
            }
            Deed::Cut(cut, times) => site.proxy.cut(*cut, *times),
            Deed::CutAll => {
                site.proxy.cut_all();
                fleet.tally.count("all connections cut");
                servers_disturbed = true;
            }
            Deed::Aborted { sqlstate, percent, at_commit, for_ms } => {
                site.abort_transactions(sqlstate, *percent, *at_commit).await?;
                watch(site, fleet, tokio::time::sleep(Duration::from_millis(*for_ms))).await?;
                site.abort_transactions(sqlstate, 0, *at_commit).await?;
                fleet.tally.count(format!("{sqlstate} forced"));
            }
            Deed::Join => fleet.join(site, &mut rng)?,
            Deed::Leave => fleet.leave(&mut rng, servers_disturbed).await?,
        }
    }
    watch(site, fleet, progress.reached(1_000)).await
}

/// Looks after the processes while something else is waited for.
async fn watch(site: &Site, fleet: &mut Fleet, until: impl Future<Output = ()>) -> Result<()> {
    let mut until = std::pin::pin!(until);
    let since = Instant::now();
    loop {
        tokio::select! {
            () = &mut until => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => fleet.look(site)?,
        }
        anyhow::ensure!(since.elapsed() < Duration::from_mins(3), "the load does not go out");
    }
}
