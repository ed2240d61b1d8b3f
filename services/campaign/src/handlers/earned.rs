//! `points.earned`: assessed once, answered always.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jifen_contracts::event::Earned;
use jifen_kernel::MemberId;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison};
use sqlx::PgConnection;
use uuid::Uuid;

use super::promises::{self, Left};
use crate::{
    domain::{
        accrual::Accrual,
        assess::decide_assessment,
        budget::Budgets,
        net::Corrected,
        offer::{Offers, list_budgets, list_caps, list_offers},
        person::{Person, birthday_month_on, tier_at},
        returned::Returns,
        rulebook::{OpenLists, Rulebook},
    },
    outbound,
    rulebooks::Rulebooks,
    store::{
        assessment, budget,
        corrected::{self, DocumentKey},
        deferred, member, participation, returned, tier,
    },
};

/// Answers every accrual with what the campaigns of its program add to it.
#[derive(Debug, Default)]
pub struct AssessEarned {
    rulebooks: Rulebooks,
}

type Batch = [Incoming<Event<Earned>>];

/// An accrual that can be assessed: its place in the batch, the rules that it names, what is open on its day, who earned.
struct Assessable {
    place: usize,
    rules: Arc<Rulebook>,
    open: Arc<OpenLists>,
    accrual: Accrual,
    person: Person,
}

impl Assessable {
    fn offers(&self) -> Offers<'_> {
        list_offers(&self.rules, self.open.of(&self.accrual.store), &self.accrual, &self.person)
    }
}

impl BatchHandler for AssessEarned {
    type Item = Event<Earned>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let (assessable, mut fates) = self.read(cx, batch);
        let assessable = introduce(tx, assessable, &mut fates).await?;
        let new = claim(tx, assessable, out).await?;
        if new.is_empty() {
            return Ok(fates);
        }
        let offers: Vec<_> = new.iter().map(Assessable::offers).collect();
        // Invoices of which corrections may have been heard already, or are just now: what may be promised rests on them; and what
        // others replace returns first.
        let mut concerned = replaced_by(&new);
        let replaced: BTreeSet<DocumentKey> = concerned.keys().cloned().collect();
        let promising = new.iter().zip(&offers).filter(|(_, offers)| offers.may_promise());
        concerned.extend(promising.map(|(item, _)| (key_of(&item.accrual), item.accrual.member_id)));
        let known = corrected::load_locked(tx, &concerned).await?;
        let (mut vacant, corrected): (BTreeMap<_, _>, BTreeMap<_, _>) = known.into_iter().partition(|(key, _)| replaced.contains(key));
        let vacated = promises::vacate(cx, tx, &mut vacant, out).await?;
        let mut limits = list_budgets(&offers);
        let mut caps = list_caps(offers.iter().zip(new.iter().map(|item| item.accrual.member_id)));
        for campaign in vacated.budgets.keys() {
            limits.entry(campaign.clone()).or_default();
        }
        caps.extend(vacated.shares.keys().cloned());
        let granted = budget::load_locked(tx, &limits).await?;
        let mut budgets = Budgets::new(granted, budget::load_shares_locked(tx, &caps).await?);
        budgets.give_back(&vacated);
        promises::return_ahead(cx, tx, &mut vacant, (&limits, &caps), &mut budgets, out).await?;
        let decide = |(item, offers): (&Assessable, &Offers<'_>)| {
            decide_assessment(offers, &item.rules.applied.program.stacking, item.accrual.member_id, &mut budgets)
        };
        let answers: Vec<_> = new.iter().zip(&offers).map(decide).collect();
        let answered = || new.iter().map(|item| &item.accrual).zip(&answers);
        participation::save(tx, answered(), out.now()).await?;
        deferred::save(tx, answered(), out.now()).await?;
        budget::save(tx, budgets.drawn(), &limits).await?;
        budget::save_shares(tx, budgets.drawn_by()).await?;
        let mut returns = Returns::default();
        let left = |(key, known): (DocumentKey, Corrected)| Some((key, Left { categories: known.left?, at: out.now(), is_new: true }));
        let left = corrected.into_iter().chain(vacant).filter_map(left).collect();
        promises::cut(cx, tx, &left, &mut returns, out).await?;
        returned::give_back(tx, &returns).await?;
        for (item, answer) in new.iter().zip(&answers) {
            outbound::announce(out, &batch[item.place].cause, &item.accrual, answer);
        }
        Ok(fates)
    }
}

impl AssessEarned {
    /// What of a batch can be assessed, in stream order. An unknown version will be known later; a broken accrual never.
    fn read(&self, cx: &Ctx, batch: &Batch) -> (Vec<Assessable>, Fates) {
        let mut fates = Fates::done();
        let mut assessable = Vec::with_capacity(batch.len());
        for (place, incoming) in batch.iter().enumerate() {
            let earned = &incoming.item.data;
            match (cx.programs.get(earned.program_version), Accrual::try_new(earned)) {
                (_, Err(bad)) => fates.poison.push((place, Poison::invariant(bad.to_string()))),
                (None, _) => fates.retry.push((place, format!("program version {} is not known yet", earned.program_version))),
                // What it replaces must have been granted before it can return.
                (Some(_), Ok(accrual))
                    if accrual.replaces.is_some() && batch[..place].iter().any(|earlier| is_replaced(&earlier.item.data, &accrual)) =>
                {
                    fates.retry.push((place, "the invoice whose place it takes comes with it".to_owned()));
                }
                (Some(applied), Ok(accrual)) => {
                    let rules = self.rulebooks.of(&applied);
                    let open = rules.day(accrual.business_date);
                    assessable.push(Assessable { place, rules, open, accrual, person: Person::default() });
                }
            }
        }
        (assessable, fates)
    }
}

fn key_of(accrual: &Accrual) -> DocumentKey {
    (accrual.store.to_string(), accrual.document.clone())
}

fn is_replaced(earlier: &Earned, by: &Accrual) -> bool {
    by.replaces.as_ref() == Some(&earlier.document) && by.store == earlier.store
}

/// The invoices whose place others take. Whose they are is said when they are corrected; mostly they are the same member's.
fn replaced_by(new: &[Assessable]) -> BTreeMap<DocumentKey, MemberId> {
    let replaced = |item: &Assessable| Some(((item.accrual.store.to_string(), item.accrual.replaces.clone()?), item.accrual.member_id));
    new.iter().filter_map(replaced).collect()
}

/// Learns what open offers ask of members: one question each for birthdays, tiers and cars, and only if an offer asks. A member
/// whose registration isn't known yet will be: it was published before anything was earned.
async fn introduce(tx: &mut PgConnection, mut assessable: Vec<Assessable>, fates: &mut Fates) -> Result<Vec<Assessable>, Failure> {
    let asking = |asks: fn(&Assessable) -> bool| -> Vec<Uuid> {
        let members: BTreeSet<Uuid> = assessable.iter().filter(|item| asks(item)).map(|item| item.accrual.member_id.0).collect();
        members.into_iter().collect()
    };
    let birthdays = member::load_birthdays(tx, &asking(asks_birthday)).await?;
    let tiers = tier::load(tx, &asking(asks_tier)).await?;
    let garages = member::load_garages(tx, &asking(asks_vehicle)).await?;
    assessable.retain_mut(|Assessable { place, open, accrual, person, .. }| {
        let list = open.of(&accrual.store);
        if list.asks_birthday {
            let Some(said) = birthdays.get(&accrual.member_id) else {
                fates.retry.push((*place, "the member's registration is not known yet".to_owned()));
                return false;
            };
            person.birthday_month = birthday_month_on(accrual.business_date, said);
        }
        if list.asks_vehicle {
            let Some(cars) = garages.get(&accrual.member_id) else {
                fates.retry.push((*place, "the member's registration is not known yet".to_owned()));
                return false;
            };
            person.cars.clone_from(cars);
        }
        if list.asks_tier {
            let changes = tiers.get(&accrual.member_id).map_or(&[][..], Vec::as_slice);
            person.tier = tier_at(accrual.issued_at, changes).cloned();
        }
        true
    });
    Ok(assessable)
}

fn asks_birthday(item: &Assessable) -> bool {
    item.open.of(&item.accrual.store).asks_birthday
}

fn asks_vehicle(item: &Assessable) -> bool {
    item.open.of(&item.accrual.store).asks_vehicle
}

fn asks_tier(item: &Assessable) -> bool {
    item.open.of(&item.accrual.store).asks_tier
}

/// Those that nobody answered before, in stream order. Of a document that stands twice in the batch the first is kept.
async fn claim(tx: &mut PgConnection, assessable: Vec<Assessable>, out: &Outbox) -> Result<Vec<Assessable>, Failure> {
    let mut by_key: BTreeMap<(String, String), Assessable> = BTreeMap::new();
    for item in assessable {
        by_key.entry((item.accrual.store.to_string(), item.accrual.document.clone())).or_insert(item);
    }
    if by_key.is_empty() {
        return Ok(Vec::new());
    }
    let claims = by_key.values().map(|item| (&item.accrual, item.rules.applied.version));
    let claimed = assessment::claim(tx, claims, out.now()).await?;
    let mut new: Vec<Assessable> = claimed.iter().filter_map(|key| by_key.remove(key)).collect();
    new.sort_unstable_by_key(|item| item.place);
    Ok(new)
}
