//! The days behind a round: at rest the clock goes on, and the work of each day is done by whoever lives.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use chrono::{Days, NaiveDate};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    fleet::Fleet,
    found::Found,
    plan::{Plan, faults::Deed},
    round::Ears,
    settle::settle,
    site::Site,
    stores::{Registered, of_stores},
    tills::answer,
};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A day's work takes a moment, and half a minute where its copy was killed.
const PATIENCE: Duration = Duration::from_mins(2);

/// What was seen of days that passed.
#[derive(Debug)]
pub struct Passed {
    /// As it stood before the first of them, with what was brought and what is held.
    pub before: Found,
    /// As it stands behind the last.
    pub after: Found,
    /// What the services announced meanwhile.
    pub events: Vec<crate::follow::Heard>,
    /// Answers that should not have been.
    pub wrong: Vec<String>,
}

/// Lets the days of a plan pass.
pub async fn pass(site: &mut Site, ears: &Ears, fleet: &mut Fleet, plan: &Arc<Plan>, registered: &Registered) -> Result<Passed> {
    let began = site.now();
    let from = ears.events.count();
    let wrong = prepare(site, ears, fleet, plan, registered).await?;
    let before = Found::read(&mut site.database().await?, &plan.stores, began).await?;
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x4441_5953);
    let mut day = plan.today;
    for jump in &plan.passing.jumps {
        day = day + Days::new(jump.days);
        if let Deed::Cut(cut, times) = jump.deed {
            site.proxy.cut(cut, times);
        }
        site.travel(jump.days)?;
        watch_for(site, fleet, Duration::from_millis(jump.after_ms)).await?;
        match jump.deed {
            Deed::KillAll => fleet.kill_all(),
            Deed::KillOne => fleet.kill_one(&mut rng),
            Deed::DatabaseRestarts => {
                site.restart_database()?;
                fleet.tally.count("database restarted");
            }
            Deed::CutAll => {
                site.proxy.cut_all();
                fleet.tally.count("all connections cut");
            }
            _ => {}
        }
        worked(site, fleet, day).await?;
        fleet.tally.count("jump over days");
    }
    fleet.calm();
    *fleet.tally.counts.entry("cut at COMMIT".to_owned()).or_default() += site.proxy.calm();
    // Nobody serves the commands of these days.
    let followers = [&*ears.receipts, &*ears.notify, &*ears.events];
    settle(site, &ears.nats, fleet, &followers, || true, Duration::ZERO).await?;
    let after = Found::read(&mut site.database().await?, &plan.stores, began).await?;
    Ok(Passed { before, after, events: of_stores(ears.events.since(from), &plan.stores), wrong })
}

/// Imports what is brought, twice under other operations, and holds some of it.
async fn prepare(site: &Site, ears: &Ears, fleet: &mut Fleet, plan: &Arc<Plan>, registered: &Registered) -> Result<Vec<String>> {
    let (nats, plan, registered) = (ears.nats.clone(), Arc::clone(plan), registered.clone());
    let mut asking = tokio::spawn(async move { bring(&nats, &plan, &registered).await });
    loop {
        tokio::select! {
            asked = &mut asking => return asked?,
            () = tokio::time::sleep(LOOK_EVERY) => fleet.look(site)?,
        }
    }
}

async fn bring(nats: &async_nats::Client, plan: &Plan, registered: &Registered) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let number = |person: usize| registered.get(&person).map_or("", |(number, _)| number.as_str());
    let lots: Vec<Value> = plan
        .passing
        .brought
        .iter()
        .enumerate()
        .map(|(line, brought)| {
            json!({
                "line": line.to_string(), "member_no": number(brought.person), "store": brought.store, "points": brought.points,
                "expires_on": brought.expires_on,
            })
        })
        .collect();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for time in 0..2 {
        let request =
            json!({ "operation_id": format!("bring-{}-{time}", plan.seed), "source": format!("old_{}", plan.seed), "lots": lots });
        let answered = answer(nats, "api.points.lots.import", &request).await?;
        let each = answered.as_ref().ok().and_then(|body| body["lots"].as_array().cloned()).unwrap_or_default();
        for outcome in each {
            *outcomes.entry(outcome["status"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
        }
    }
    if outcomes != BTreeMap::from([("imported".to_owned(), lots.len()), ("duplicate".to_owned(), lots.len())]) {
        wrong.push(format!("{} lots were imported twice, and came to {outcomes:?}", lots.len()));
    }
    for (place, brought) in plan.passing.brought.iter().enumerate() {
        let Some(points) = brought.held else { continue };
        let request = json!({
            "operation_id": format!("over-{}-{place}", plan.seed), "store": brought.store, "member_no": number(brought.person),
            "points": points,
        });
        if let Err(problem) = answer(nats, "api.points.hold.create", &request).await?
            && problem["code"] != "points.insufficient"
        {
            wrong.push(format!("a hold was answered {problem}"));
        }
    }
    Ok(wrong)
}

async fn watch_for(site: &Site, fleet: &mut Fleet, time: Duration) -> Result<()> {
    let since = Instant::now();
    while since.elapsed() < time {
        fleet.look(site)?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Waits until points has done the work of this day.
async fn worked(site: &Site, fleet: &mut Fleet, day: NaiveDate) -> Result<()> {
    let since = Instant::now();
    loop {
        fleet.look(site)?;
        let mut database = site.database().await?;
        let done = "select exists (select from points.job_day where job = 'expiry' and day >= $1 and done_at is not null)";
        if sqlx::query_scalar(done).bind(day).fetch_one(&mut database).await? {
            return Ok(());
        }
        ensure!(since.elapsed() < PATIENCE, "the work of {day} is not done within {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
