//! Overload: stores offer ten times as much as the system takes, two members' accounts are damaged, no gateway ever answers.
//! Memory stays bounded, streams stay below their limits, nobody else waits; and when the operator has mended what was
//! broken, all of it comes to what the model says.
//!
//! The streams are made small, so that seconds fill what takes days to fill at their real sizes: POS refuses documents, EVENTS
//! lives from the keeper's purges, NOTIFY takes some of its commands and then nothing more until it is made larger.

mod flood;
mod plan;
mod poison;
mod watch;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use chrono::{NaiveDate, Utc};
use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use self::{
    flood::{Flooded, Stores},
    plan::{FIRST, TORN, UNREADABLE},
    watch::Watch,
};
use crate::{
    compare::{self, differences},
    fleet::Fleet,
    found::Found,
    gateway::would_have_got,
    model::Expected,
    plan::{
        Plan,
        bills::{Bill, Customer},
    },
    round::{Ears, id_of},
    season::begin,
    settle::settle,
    site::Site,
    stores::{Desk, Progress, of_stores, register_all},
    tills::Tills,
};

/// How much more is offered than was brought through.
const TIMES: usize = 10;
/// A store's documents come to about 1 KB. More than this is not offered, however fast the system is.
const OFFERED_AT_MOST: usize = 6_000;
/// Behind this many unpublished rows a service takes nothing more from outside: the fewest that can be set.
const UNPUBLISHED_ROWS: usize = 1_000;
/// A process that is busy is not given its messages a second time.
const ACK_WAIT_S: usize = 30;
/// Nobody mends a row within the round: what needs one that can't be read is set aside after this time. A real system waits an
/// hour, and its EVENTS holds more than that.
const UNREADABLE_S: usize = 3;
/// What a command takes in its stream, at least.
const COMMAND_BYTES: usize = 600;
const MIB: i64 = 1_024 * 1_024;
/// While nothing more is settled for so long, something stands still.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The most that the process with all services may hold, in MiB: twice what a debug build was seen to hold in a minute of overload
/// (156), half of which it holds when idle. It has nine consumers, each with one pull of at most 16 MiB and four batches of 500 messages
/// under way; whatever else waits, waits in the broker and in Postgres. Ten times as much of it must not show here.
const MOST_MIB: u64 = 300;
/// The same for the broker (188 were seen): it caches blocks of its streams and two minutes of message ids.
const MOST_BROKER_MIB: u64 = 400;

/// How it went.
#[derive(Debug)]
pub struct Report {
    /// Figures, line by line.
    pub said: Vec<String>,
    /// Everything that is not as it must be.
    pub wrong: Vec<String>,
}

/// A round under way.
struct Round {
    plan: Arc<Plan>,
    expected: Expected,
    site: Site,
    fleet: Fleet,
    ears: Ears,
    database: PgConnection,
}

/// Floods a system for so long; `tell` hears how far it is.
pub async fn play(seed: u64, seconds: u64, today: NaiveDate, tell: impl Fn(&str)) -> Result<Report> {
    let plan = Arc::new(plan::plan(seed, seconds, today));
    let expected = Expected::of(&plan);
    let mut site = Site::start(&plan.stores).await?;
    site.set("JIFEN_UNPUBLISHED_ROWS", UNPUBLISHED_ROWS);
    site.set("JIFEN_ACK_WAIT_S", ACK_WAIT_S);
    site.set("JIFEN_UNREADABLE_EVENT_S", UNREADABLE_S);
    #[expect(clippy::disallowed_methods, reason = "the database's rows are dated by the same clock")]
    let began = Utc::now();
    let fleet = begin(&site, std::slice::from_ref(&plan), today).await?;
    let ears = Ears::start(&site).await?;
    let database = site.database().await?;
    let mut round = Round { plan, expected, site, fleet, ears, database };
    let report = round.play(seconds, began, &tell).await;
    if !report.as_ref().is_ok_and(|report| report.wrong.is_empty()) {
        tell(&format!("left for a look: {}", round.site.folder().display()));
        round.site.keep();
    }
    report
}

impl Round {
    async fn play(&mut self, seconds: u64, began: chrono::DateTime<Utc>, tell: &impl Fn(&str)) -> Result<Report> {
        self.limit_streams(seconds).await?;
        let processes = [("jifen", self.fleet.pids().first().copied()), ("broker", self.site.broker_pid())];
        let processes = processes.into_iter().filter_map(|(name, pid)| Some((name, pid?))).collect();
        let watch = Watch::start(self.ears.nats.clone(), processes, Arc::clone(&self.ears.events));
        let progress = Progress::default();
        let registering = tokio::spawn(register_all(self.ears.nats.clone(), Arc::clone(&self.plan), progress.clone()));
        let stores = Stores::new(self.ears.nats.clone(), Arc::clone(&self.ears.receipts), &self.plan.sendings);
        let pace = self.calibrate(&stores).await?;
        let a_second = (pace * TIMES).clamp(TIMES, OFFERED_AT_MOST);
        tell(&format!("{pace} bills a second come through; {a_second} documents a second for {seconds} s"));

        let (torn, unreadable) = (self.member(TORN).await?, self.member(UNREADABLE).await?);
        let damaged = poison::damage(&mut self.database, torn, unreadable).await?;
        let flooded = {
            let flooding = stores.flood(FIRST, a_second, Duration::from_secs(seconds), &progress);
            self.beside(flooding).await?
        };
        tell(&format!("{} documents offered, {} taken, {} refused; the backlog goes", flooded.offered, flooded.taken, flooded.refused));
        let desk = registering.await??;
        self.unaffected_are_settled().await?;
        let mut wrong = Vec::new();
        let waiting = self.commands_waiting().await?;
        if waiting == 0 {
            wrong.push("NOTIFY took all commands: it was to be full".to_owned());
        }
        let letters = poison::letters(&mut self.database).await?;
        tell(&format!("everybody else is settled: {} dead letters, {waiting} commands wait for room", letters.len()));

        poison::mend(&mut self.database, &damaged).await?;
        self.site.limit_stream("NOTIFY", 768 * MIB).await?;
        poison::retry(&self.ears.nats, &letters).await?;
        let followers = [&*self.ears.receipts, &*self.ears.notify, &*self.ears.events];
        let settled = settle(&self.site, &self.ears.nats, &mut self.fleet, &followers, || true, Duration::ZERO).await?;
        tell(&format!("at rest {} s after mending", settled.as_secs()));
        let seen = watch.seen();
        drop(watch);
        let said = self.said(&flooded, &seen, waiting, letters.len());
        wrong.extend(seen.wrong.iter().take(5).cloned());
        for (name, most) in [("jifen", MOST_MIB), ("broker", MOST_BROKER_MIB)] {
            let peak = seen.peak_mib.get(name).copied().unwrap_or(u64::MAX);
            if peak > most {
                wrong.push(format!("{name} held {peak} MiB, and may hold {most}"));
            }
        }
        wrong.extend(self.compare(desk, flooded, began).await?);
        Ok(Report { said, wrong })
    }

    /// Small enough for all of them to fill.
    async fn limit_streams(&self, seconds: u64) -> Result<()> {
        let commands = i64::try_from(plan::commands(&self.plan) * COMMAND_BYTES)?;
        let long = seconds >= 20;
        for (stream, bytes) in
            [("POS", if long { 2 * MIB } else { MIB / 2 }), ("EVENTS", if long { 16 * MIB } else { MIB }), ("NOTIFY", commands / 6)]
        {
            self.site.limit_stream(stream, bytes).await?;
        }
        Ok(())
    }

    /// How many bills a second come through, from store to settlement.
    async fn calibrate(&mut self, stores: &Stores) -> Result<usize> {
        stores.first(FIRST).await?;
        let early = |bill: &&Bill| match bill.customer {
            Customer::Known(person, _) => self.plan.people[person].registers_at == 0,
            Customer::Stranger(_) => false,
        };
        let due = self.plan.bills[..FIRST].iter().filter(early).count();
        // The time until the first one is through says nothing about how many are.
        self.until_settled(due / 10).await?;
        let (since, before) = (Instant::now(), self.settled().await?);
        self.until_settled(due).await?;
        let (elapsed, more) = (since.elapsed().as_millis().max(1), self.settled().await? - before);
        Ok(usize::try_from(u128::try_from(more)? * 1_000 / elapsed)?)
    }

    /// The member that a person has become, by one of the first bills.
    async fn member(&mut self, person: usize) -> Result<Uuid> {
        let own = |bill: &&Bill| matches!(bill.customer, Customer::Known(who, _) if who == person);
        let bill = self.plan.bills[..FIRST].iter().find(own).context("a first bill of this person")?;
        let id = sqlx::query_scalar("select member_id from points.accrual where store = $1 and document = $2");
        Ok(id.bind(&bill.store).bind(&bill.number).fetch_one(&mut self.database).await?)
    }

    /// Looks after the processes meanwhile.
    async fn beside<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(LOOK_EVERY) => self.fleet.look(&self.site)?,
            }
        }
    }

    /// All bills but those of the two are settled, and what the torn account refused is set aside.
    async fn unaffected_are_settled(&mut self) -> Result<()> {
        self.until_settled(plan::unaffected(&self.plan, &self.expected)).await?;
        let (due, since) = (self.plan.poison.len(), Instant::now());
        loop {
            let letters = poison::letters(&mut self.database).await?.len();
            if letters >= due {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                bail!("{letters} of {due} messages are set aside");
            }
            self.fleet.look(&self.site)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn settled(&mut self) -> Result<usize> {
        let settled = sqlx::query_scalar::<_, i64>("select count(*) from points.accrual where settled_at is not null");
        Ok(usize::try_from(settled.fetch_one(&mut self.database).await?)?)
    }

    async fn until_settled(&mut self, due: usize) -> Result<()> {
        let (mut before, mut since) = (0, Instant::now());
        loop {
            let settled = self.settled().await?;
            if settled >= due {
                return Ok(());
            }
            if settled > before {
                (before, since) = (settled, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                bail!("{settled} of {due} bills that nothing is wrong with are settled, and nothing more was for {PATIENCE:?}");
            }
            self.fleet.look(&self.site)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Commands that have no room in their stream, and rest in their sender's outbox.
    async fn commands_waiting(&mut self) -> Result<i64> {
        let waiting =
            "select coalesce(sum(row_count), 0)::bigint from notification.outbox_commit where published_at is null and stream = 'NOTIFY'";
        Ok(sqlx::query_scalar(waiting).fetch_one(&mut self.database).await?)
    }

    fn said(&self, flooded: &Flooded, seen: &watch::Seen, waiting: i64, letters: usize) -> Vec<String> {
        let Flooded { offered, taken, refused, why, .. } = flooded;
        let mut said = vec![
            format!(
                "{} bills, {offered} documents offered in the time, {taken} taken in all, {refused} refused ({})",
                self.plan.bills.len(),
                why.as_deref().unwrap_or("none")
            ),
            format!(
                "{letters} dead letters, {waiting} commands waited for room; the keeper made room {} times, of {} messages",
                seen.times, seen.purged
            ),
        ];
        for (name, peak) in &seen.peak_mib {
            said.push(format!("{name}: {} MiB before, {peak} MiB at most", seen.first_mib.get(name).copied().unwrap_or(0)));
        }
        let full: Vec<String> = seen.fullest.iter().map(|(stream, percent)| format!("{stream} {percent} %")).collect();
        said.push(format!("fullest: {}", full.join(", ")));
        said
    }

    async fn compare(&mut self, desk: Desk, flooded: Flooded, began: chrono::DateTime<Utc>) -> Result<Vec<String>> {
        let Self { plan, ears, .. } = self;
        let found = Found::read(&mut self.database, &plan.stores, began).await?;
        let seen = compare::Seen {
            found,
            desk,
            tills: Tills::default(),
            sent: flooded.sent,
            receipts: of_stores(ears.receipts.since(0), &plan.stores),
            events: of_stores(ears.events.since(0), &plan.stores),
            present: [&ears.events, &ears.receipts].into_iter().flat_map(|ears| ears.present()).filter_map(id_of).collect(),
            inboxes: would_have_got(&of_stores(ears.notify.since(0), &plan.stores)),
            forgot: false,
            unreported: true,
        };
        Ok(differences(plan, &self.expected, &seen))
    }
}
