//! What every entrance ends with: members about whom something was heard are brought to where they stand now, what their tier
//! brings is granted, and all of it is announced.
//!
//! The standings are locked. Facts are read only of members whose ladder asks for more than points, entitlements only where a
//! tier changed, or where the day's run looks at everything: a batch of accruals under a ladder of points costs nothing here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use jifen_contracts::program::AppliedProgram;
use jifen_kernel::{MemberId, Points, StoreCode, clock};
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::{
        contribution::Fact,
        decide::decide_by_facts,
        entitlement::{Entitlement, decide_entitlements, decide_revoked, next_end},
        ladder::{has_entitlements, needs_facts, rank_of},
        standing::{Change, Standing, decide_deduction, decide_standing},
    },
    outbound,
    store::{contribution, entitlement, standing::Standings},
};

/// Something heard about a member, in the order of the stream.
pub struct News<'a> {
    /// About whom.
    pub member_id: MemberId,
    /// What effects inherit.
    pub cause: &'a Cause,
    /// The rules under which points alone are counted.
    pub rules: Arc<AppliedProgram>,
    /// What it is.
    pub heard: Heard<'a>,
}

/// What was heard.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'a> {
    /// This was counted.
    Fact(&'a Fact),
    /// So many qualifying points of what was counted were taken back, by a document of this store.
    Deduction {
        /// How many.
        qualifying: Points,
        /// The store.
        store: &'a StoreCode,
    },
    /// Something else: what an upgrade names as its document.
    Other(&'static str),
}

impl<'a> News<'a> {
    fn fact(&self) -> Option<&'a Fact> {
        if let Heard::Fact(fact) = self.heard { Some(fact) } else { None }
    }

    fn takes_from(&self, member: MemberId) -> bool {
        self.member_id == member && matches!(self.heard, Heard::Deduction { .. })
    }
}

/// The day that decides, and whether everything that time may change is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    /// The local day.
    pub day: NaiveDate,
    /// It is the day's run.
    pub run: bool,
}

impl Day {
    /// Today, for what is heard between two runs.
    pub fn today(out: &Outbox, rules: &AppliedProgram) -> Self {
        Self { day: clock::local_date(out.now(), rules.program.time_zone()), run: false }
    }
}

/// Who is looked at for entitlements.
type Granting = BTreeMap<MemberId, Look>;

/// At whose entitlements.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    /// New ones may be granted.
    grants: bool,
    /// A correction took the tier back: what it had brought goes with it.
    revokes: bool,
}

/// Settles what was heard. `standings` hold every member of `news`; they are to be saved behind this.
pub async fn settle(
    cx: &Ctx,
    tx: &mut PgConnection,
    standings: &mut Standings,
    news: &[News<'_>],
    day: Day,
    out: &mut Outbox,
) -> Result<(), Failure> {
    let Some(zone) = news.last().map(|news| news.rules.program.time_zone()) else { return Ok(()) };
    let in_force = |day: NaiveDate| cx.programs.in_force_at(clock::start_of_day(day, zone));
    let now = in_force(day.day).or_else(|| news.last().map(|news| Arc::clone(&news.rules)));
    let Some(now) = now else { return Ok(()) };
    let by_facts: BTreeSet<MemberId> =
        news.iter().filter(|news| needs_facts(&news.rules.program) || needs_facts(&now.program)).map(|news| news.member_id).collect();
    let facts =
        if by_facts.is_empty() { HashMap::new() } else { contribution::load(tx, &by_facts.iter().copied().collect::<Vec<_>>()).await? };
    let last: HashMap<MemberId, usize> = news.iter().enumerate().map(|(place, news)| (news.member_id, place)).collect();
    let mut granting = Granting::new();
    for (place, heard) in news.iter().enumerate() {
        let standing = standings.get_mut(&heard.member_id).ok_or_else(|| Failure::defect("a standing that was locked is missing"))?;
        let had = standing.reached.is_some();
        let mut in_grace = false;
        let (mut changed, mut down) = (false, false);
        if !by_facts.contains(&heard.member_id) {
            let change = if let Heard::Deduction { qualifying, .. } = heard.heard {
                let then = standing.reached.as_ref().and_then(|reached| cx.programs.get(reached.program_version));
                decide_deduction(standing, then.as_deref(), &now, qualifying, out.now())
            } else {
                decide_standing(standing, &heard.rules, heard.fact().map_or(Points::ZERO, |fact| fact.qualifying), out.now())
            };
            if let Some(change) = change {
                announce(out, heard, standing, &change, heard.fact(), &now)?;
                (changed, down) = (true, !change.up);
            }
        } else if last.get(&heard.member_id) == Some(&place) {
            let facts = facts.get(&heard.member_id).map_or(&[][..], Vec::as_slice);
            let decided = decide_by_facts(standing, facts, day.day, &in_force);
            in_grace = decided.in_grace;
            changed = decided.saved;
            if let Some((change, by)) = &decided.change {
                // What was counted before an activation is named by the message that made it known.
                let by = by.map(|place| &facts[place]).or(heard.fact());
                announce(out, cause_of(news, heard, by), standing, change, by, &now)?;
                (changed, down) = (true, !change.up);
            }
            if let Some(warning) = &decided.warning {
                let store = store_of(standing, &now)?;
                out.event(heard.cause, Some(standing.changes), &outbound::warned(heard.member_id, standing, warning, store, out.now()));
            }
        }
        if (changed || day.run || !had) && standing.reached.is_some() {
            let look = granting.entry(heard.member_id).or_default();
            look.grants = !in_grace;
            // Time takes its steps in the day's run.
            look.revokes |= down && !day.run && news.iter().any(|news| news.takes_from(heard.member_id));
        }
    }
    grant(cx, tx, standings, &granting, &now, day, out).await
}

/// The message that brought the fact which took a step, if it is of this batch; else the member's last one.
fn cause_of<'a, 'b>(news: &'a [News<'b>], last: &'a News<'b>, by: Option<&Fact>) -> &'a News<'b> {
    let same =
        |news: &&News<'_>| news.member_id == last.member_id && news.fact().zip(by).is_some_and(|(fact, by)| fact.place() == by.place());
    news.iter().find(same).unwrap_or(last)
}

fn announce(
    out: &mut Outbox,
    heard: &News<'_>,
    standing: &Standing,
    change: &Change,
    by: Option<&Fact>,
    now: &AppliedProgram,
) -> Result<(), Failure> {
    let store = match (by, heard.heard) {
        (Some(fact), _) => fact.store.clone(),
        (None, Heard::Deduction { store, .. }) => store.clone(),
        (None, _) => store_of(standing, now)?,
    };
    let at = out.now();
    if change.up {
        let otherwise = if let Heard::Other(otherwise) = heard.heard { otherwise } else { "program" };
        let document = by.map_or(otherwise, |fact| &fact.document);
        out.event(heard.cause, Some(change.ordinal), &outbound::upgraded(heard.member_id, standing, change, store, document, at));
    } else {
        // A step that time takes is of the day on which it is due, one that a correction takes of now.
        let at = if matches!(heard.heard, Heard::Deduction { .. }) { at } else { change.to.since };
        out.event(heard.cause, Some(change.ordinal), &outbound::downgraded(heard.member_id, standing, change, store, at));
    }
    Ok(())
}

/// The member's store; the group's first for a member of whom no store was heard.
pub fn store_of(standing: &Standing, rules: &AppliedProgram) -> Result<StoreCode, Failure> {
    let first = || rules.program.stores.first().map(|store| store.code.clone());
    standing.store.clone().or_else(first).ok_or_else(|| Failure::defect("a program without stores"))
}

/// Grants what tiers bring and closes what is over.
async fn grant(
    cx: &Ctx,
    tx: &mut PgConnection,
    standings: &mut Standings,
    granting: &Granting,
    now: &AppliedProgram,
    Day { day, run }: Day,
    out: &mut Outbox,
) -> Result<(), Failure> {
    let tiers = &now.program.tiers;
    let rank = |member: &MemberId, standings: &Standings| {
        let standing = standings.get(member)?;
        rank_of(tiers, &standing.reached.as_ref()?.tier, standing.qualifying)
    };
    // Between the day's runs nothing ends by itself: only who is brought something is looked at, or loses what was never earned.
    let concerned = |(member, look): &(&MemberId, &Look)| {
        run || look.revokes || rank(member, standings).is_some_and(|rank| has_entitlements(tiers, rank))
    };
    let granting: Granting = granting.iter().filter(concerned).map(|(member, look)| (*member, *look)).collect();
    if granting.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = granting.keys().map(|member| member.0).collect();
    let mut all = entitlement::load(tx, &ids).await?;
    let (mut new, mut reopened, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    for (member, look) in &granting {
        let rank = rank(member, standings);
        let Some(standing) = standings.get_mut(member) else { continue };
        let held = all.entry(*member).or_default();
        if let Some(rank) = rank.filter(|_| look.revokes) {
            closed.extend(decide_revoked(held, tiers, rank, day).into_iter().map(|id| (*member, id)));
        }
        let renewed = decide_entitlements(held, tiers, rank.unwrap_or(0), look.grants && rank.is_some(), day, || cx.ids.next(out.now()));
        standing.next_due = [standing.next_due, next_end(held, day)].into_iter().flatten().min();
        new.extend(renewed.granted.iter().map(|id| (*member, *id)));
        reopened.extend(renewed.reopened.iter().map(|id| (*member, *id)));
        closed.extend(renewed.closed.iter().map(|id| (*member, *id)));
    }
    let find = |member: &MemberId, id: &Uuid| all.get(member).and_then(|held| held.iter().find(|entitlement| entitlement.id == *id));
    let closed: Vec<_> = closed.iter().filter_map(|(member, id)| Some((*member, find(member, id)?))).collect();
    let found = |keys: &[(MemberId, Uuid)]| -> Vec<_> {
        keys.iter().filter_map(|(member, id)| Some((*member, now.version, find(member, id)?))).collect()
    };
    let (new, reopened) = (found(&new), found(&reopened));
    let changed: BTreeMap<Uuid, &Entitlement> =
        closed.iter().map(|(_, one)| *one).chain(reopened.iter().map(|(.., one)| *one)).map(|one| (one.id, one)).collect();
    if !changed.is_empty() {
        entitlement::save(tx, &changed).await?;
    }
    if !new.is_empty() {
        entitlement::save_new(tx, &new, out.now()).await?;
    }
    let at = out.now();
    // What ended unused is worth a word; what was used up is not.
    for (member, entitlement) in closed.into_iter().filter(|(_, entitlement)| entitlement.left() > 0) {
        let standing = &standings[&member];
        out.event(&Cause::default(), None, &outbound::expired(member, standing, entitlement, store_of(standing, now)?, at));
    }
    for (member, version, entitlement) in new.into_iter().chain(reopened) {
        let standing = &standings[&member];
        out.event(&Cause::default(), None, &outbound::granted(member, standing, entitlement, version, store_of(standing, now)?, at));
    }
    Ok(())
}
