//! `points.accrual_settled`, `ingest.vehicle_sold`: counted once towards the member's tier.

use std::{collections::BTreeMap, marker::PhantomData, sync::Arc};

use jifen_contracts::{EventType, program::AppliedProgram};
use jifen_kernel::MemberId;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison};
use sqlx::PgConnection;

use crate::{
    domain::contribution::{BadContribution, Contribution},
    settle::{Day, Heard, News, settle},
    store::{
        contribution::{self, Key, key_of},
        deduction,
        standing::{self, Standings},
    },
};

/// Adds facts up and announces the steps that they take.
pub struct Count<T>(PhantomData<fn(T)>);

impl<T> Default for Count<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// A fact that can be counted: its place in the batch, and the rules that it names.
struct Countable {
    place: usize,
    rules: Arc<AppliedProgram>,
    contribution: Contribution,
}

impl<T> BatchHandler for Count<T>
where
    T: EventType,
    for<'a> Contribution: TryFrom<&'a T, Error = BadContribution>,
{
    type Item = Event<T>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &[Incoming<Event<T>>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<Event<T>>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let (countable, fates) = read(cx, batch);
        let mut new = claim(tx, countable, out).await?;
        let Some(last) = new.last() else { return Ok(fates) };
        let day = Day::today(out, &last.rules);
        let each = || new.iter().map(|item| &item.contribution);
        let members = each().map(|item| (item.member_id, (item.member_no.as_str(), &item.fact.store))).collect();
        let mut standings = standing::load_locked(tx, &members).await?;
        apply_waiting(tx, &mut standings, &mut new).await?;
        let each = || new.iter().map(|item| &item.contribution);
        for item in each().filter(|item| item.pending) {
            if let Some(standing) = standings.get_mut(&item.member_id) {
                standing.heard_pending();
            }
        }
        let news: Vec<News<'_>> = new
            .iter()
            .map(|item| News {
                member_id: item.contribution.member_id,
                cause: &batch[item.place].cause,
                rules: Arc::clone(&item.rules),
                heard: Heard::Fact(&item.contribution.fact),
            })
            .collect();
        settle(cx, tx, &mut standings, &news, day, out).await?;
        standing::save(tx, &standings).await?;
        Ok(fates)
    }
}

/// Takes off what came before: deductions that waited for these accruals. Nothing is asked where none waits.
async fn apply_waiting(tx: &mut PgConnection, standings: &mut Standings, new: &mut [Countable]) -> Result<(), Failure> {
    let waiting: Vec<MemberId> = standings.iter().filter(|(_, standing)| standing.waiting > 0).map(|(member, _)| *member).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let mut cuts = deduction::load(tx, &waiting).await?;
    for item in new {
        let Some(cuts) = cuts.remove(&key_of(&item.contribution)) else { continue };
        for cut in &cuts {
            cut.apply(&mut item.contribution.fact);
        }
        if let Some(standing) = standings.get_mut(&item.contribution.member_id) {
            standing.waiting = (standing.waiting - i32::try_from(cuts.len()).unwrap_or(i32::MAX)).max(0);
        }
    }
    Ok(())
}

/// What of a batch can be counted, in stream order. An unknown version will be known later; a broken fact never.
fn read<T>(cx: &Ctx, batch: &[Incoming<Event<T>>]) -> (Vec<Countable>, Fates)
where
    for<'a> Contribution: TryFrom<&'a T, Error = BadContribution>,
{
    let mut fates = Fates::done();
    let mut countable = Vec::with_capacity(batch.len());
    for (place, incoming) in batch.iter().enumerate() {
        match Contribution::try_from(&incoming.item.data) {
            Err(bad) => fates.poison.push((place, Poison::invariant(bad.to_string()))),
            Ok(contribution) => match cx.programs.get(contribution.program_version) {
                None => fates.retry.push((place, format!("program version {} is not known yet", contribution.program_version))),
                Some(rules) => countable.push(Countable { place, rules, contribution }),
            },
        }
    }
    (countable, fates)
}

/// Those that were never counted, in stream order. Of a document that stands twice in the batch the first is kept.
async fn claim(tx: &mut PgConnection, countable: Vec<Countable>, out: &Outbox) -> Result<Vec<Countable>, Failure> {
    let mut by_key: BTreeMap<Key, Countable> = BTreeMap::new();
    for item in countable {
        by_key.entry(key_of(&item.contribution)).or_insert(item);
    }
    if by_key.is_empty() {
        return Ok(Vec::new());
    }
    let claims: Vec<&Contribution> = by_key.values().map(|item| &item.contribution).collect();
    let claimed = contribution::claim(tx, &claims, out.now()).await?;
    let mut new: Vec<Countable> = claimed.iter().filter_map(|key| by_key.remove(key)).collect();
    new.sort_unstable_by_key(|item| item.place);
    Ok(new)
}
