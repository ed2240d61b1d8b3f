//! `member.registered`, `updated`, `activated`, `lapsed`: the look-up learns which keys a member has and whether it is
//! activated, and what waited for its keys is released. Each event has a durable of its own, and they may come in any order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    marker::PhantomData,
};

use jifen_kernel::MemberId;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, message::Cause};
use sqlx::PgConnection;

use super::{knows_the_rules, release::release};
use crate::{
    domain::{
        customer::{Key, Owner},
        member::{Change, FormerKey, Known, News, decide_news},
    },
    keys::SaysOfMember,
    store::{
        customer_keys::{self, Holding},
        former_owners::{self, Leaver, Left},
        members,
    },
};

/// Learns of members from events of one kind.
#[derive(Debug)]
pub struct MemberNews<T>(PhantomData<fn() -> T>);

impl<T> MemberNews<T> {
    /// The handler of events of kind `T`.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for MemberNews<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: SaysOfMember> BatchHandler for MemberNews<T> {
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
        let all_again = |why: &str| Fates { retry: (0..batch.len()).map(|place| (place, why.to_owned())).collect(), ..Fates::default() };
        if !knows_the_rules(cx) {
            return Ok(all_again("the program is not known yet"));
        }
        let news: Vec<News> = batch.iter().map(|incoming| incoming.item.data.news(cx, incoming.item.sequence.unwrap_or(0))).collect();
        let Learnt { named, early } = learn(tx, &news, out).await?;
        if !named.is_empty() {
            let causes: HashMap<MemberId, &Cause> =
                news.iter().zip(batch).map(|(news, incoming)| (news.member_id, &incoming.cause)).collect();
            // Applied so far, and applied again without harm: the next delivery releases the rest.
            if release(cx, tx, &named, &causes, out).await?.more {
                return Ok(all_again("more documents wait for these members"));
            }
        }
        let why = || "the member's registration has not come yet".to_owned();
        Ok(Fates { retry: early.into_iter().map(|place| (place, why())).collect(), ..Fates::default() })
    }
}

/// What a batch of news came to.
struct Learnt {
    /// The keys that it names, locked: what waits for them may be released.
    named: BTreeSet<Key>,
    /// News that are ahead of their registration.
    early: Vec<usize>,
}

/// Locks the members, then the rows of every key that is concerned, and writes what has changed.
async fn learn(tx: &mut PgConnection, news: &[News], out: &Outbox) -> Result<Learnt, Failure> {
    let mut by_member: BTreeMap<MemberId, Vec<(usize, &News)>> = BTreeMap::new();
    for (place, news) in news.iter().enumerate() {
        by_member.entry(news.member_id).or_default().push((place, news));
    }
    let mut known = members::lock(tx, &by_member.keys().copied().collect::<Vec<_>>()).await?;
    let named: BTreeSet<Key> = news.iter().filter_map(|news| news.keys.as_ref()).flat_map(|said| said.keys.keys()).cloned().collect();
    let mut learnt = Learnt { named, early: Vec::new() };
    let (mut lost, mut holdings, mut awaiting, mut former) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut changed: BTreeMap<MemberId, (Known, String)> = BTreeMap::new();
    for (member_id, news) in &by_member {
        let Some(known) = known.get_mut(member_id) else { continue };
        let before = known.clone();
        let change = decide_news(known, news);
        learnt.early.extend(&change.early);
        lost.extend(change.lost.iter().map(|(key, at)| ((key.clone(), *member_id), *at)));
        let number = news.iter().map(|(_, news)| &news.member_no).next_back().cloned().unwrap_or_default();
        for FormerKey { key, owned_since, known_at, left_at } in &change.former {
            let leaver = || Leaver { member_no: number.clone(), left_at: *left_at, known_at: *known_at };
            let left = former.entry((key.clone(), *member_id, *owned_since)).or_insert_with(leaver);
            (left.left_at, left.known_at) = (left.left_at.max(*left_at), left.known_at.min(*known_at));
        }
        if change.status_changed && change.held.is_empty() {
            awaiting.extend(known.keys.iter().map(|key| ((key.clone(), *member_id), known.awaiting_activation)));
        }
        hold(&mut holdings, &mut former, *member_id, &number, known, change);
        if *known != before {
            changed.insert(*member_id, (known.clone(), number));
        }
    }
    let touched = lost.keys().map(|(key, _)| key).chain(holdings.keys()).chain(awaiting.keys().map(|(key, _)| key));
    let concerned: BTreeSet<Key> = touched.chain(&learnt.named).cloned().collect();
    if !concerned.is_empty() {
        customer_keys::lock(tx, &concerned).await?;
    }
    customer_keys::clear(tx, &lost).await?;
    customer_keys::save_awaiting(tx, &awaiting).await?;
    customer_keys::save_owners(tx, &holdings, out.now()).await?;
    former_owners::save(tx, &former).await?;
    if !changed.is_empty() {
        members::save(tx, &changed).await?;
    }
    Ok(learnt)
}

/// Adds what a member holds now. Of a key that several members of the batch name, the one who was last said to have it; the others
/// had it.
fn hold(
    holdings: &mut BTreeMap<Key, Holding>,
    former: &mut BTreeMap<Left, Leaver>,
    member_id: MemberId,
    number: &str,
    known: &Known,
    change: Change,
) {
    for (key, held) in change.held {
        let owner = Owner {
            member_id,
            member_no: number.to_owned(),
            owned_since: held.owned_since,
            known_at: held.known_at,
            awaiting_activation: known.awaiting_activation,
        };
        let holding = Holding { owner, held_at: held.held_at, sequence: known.keys_sequence };
        let since = |holding: &Holding| (holding.held_at, holding.owner.member_id.0);
        let is_last = holdings.get(&key).is_none_or(|other| since(other) < since(&holding));
        let (before, left_at) = if is_last {
            let left_at = holding.held_at;
            (holdings.insert(key.clone(), holding), left_at)
        } else {
            let left_at = holdings.get(&key).map_or(holding.held_at, |other| other.held_at);
            (Some(holding), left_at)
        };
        if let Some(Holding { owner, .. }) = before
            && let Some(owned_since) = owner.owned_since
        {
            let leaver = Leaver { member_no: owner.member_no, left_at, known_at: owner.known_at };
            former.insert((key, owner.member_id, owned_since), leaver);
        }
    }
}
