//! `api.tier.standing.get`, `api.tier.standing.counts`.

use std::sync::Arc;

use chrono::NaiveDate;
use jifen_contracts::{
    Problem, code,
    code::Text,
    endpoint::{
        BenefitReply, CountsReply, Empty, EntitlementReply, MemberGet, MemberRequest, MemberStatus, MembershipYear, MetricValue,
        StandingGet, StandingReply, TierCounts,
    },
    program::{AppliedProgram, Tier, TierMetric},
};
use jifen_kernel::{MemberId, Points, clock};
use jifen_runtime::{Ctx, Query, ask};

use super::unavailable;
use crate::{
    domain::{
        contribution::Fact,
        entitlement::Entitlement,
        history::{History, tell},
        ladder::{benefits_at, needs_facts, rank_of},
        metrics::Seen,
        next::find_next,
        standing::{Reached, Standing},
    },
    store::{contribution, entitlement, standing},
};

/// `api.tier.standing.get`: names and the next step are those of the program in force now.
pub struct StandingOfMember;

impl Query for StandingOfMember {
    type Endpoint = StandingGet;

    async fn answer(&self, cx: &Ctx, request: MemberRequest) -> Result<StandingReply, Problem> {
        // No text with a NUL gets into the database, so nobody has such a number.
        if request.member_no.contains('\0') {
            return Err(code::MEMBER_UNKNOWN.into());
        }
        let unknown = || Problem::new(code::SERVICE_UNAVAILABLE).detail("no program in force is known yet");
        let rules = cx.programs.in_force_at(cx.clock.now()).ok_or_else(unknown)?;
        if let Some((member_id, standing)) = standing::find(&cx.pool, &request.member_no).await.map_err(unavailable)? {
            let facts = contribution::list(&cx.pool, member_id).await.map_err(unavailable)?;
            let held = entitlement::list(&cx.pool, member_id).await.map_err(unavailable)?;
            return Ok(reply(cx, &rules, member_id, &Known { standing, facts, held }));
        }
        // A member of whom nothing was heard may exist all the same: member knows.
        let member = ask::<MemberGet>(&cx.nats, &request).await?;
        let standing = Standing { awaiting: member.status != MemberStatus::Active, ..Standing::default() };
        Ok(reply(cx, &rules, member.member_id, &Known { standing, facts: Vec::new(), held: Vec::new() }))
    }
}

/// What is known of a member.
struct Known {
    standing: Standing,
    facts: Vec<Fact>,
    held: Vec<Entitlement>,
}

fn reply(cx: &Ctx, rules: &Arc<AppliedProgram>, member_id: MemberId, known: &Known) -> StandingReply {
    let Known { standing, facts, held } = known;
    let program = &rules.program;
    let today = clock::local_date(cx.clock.now(), program.time_zone());
    let seen = Seen::up_to(facts, today);
    let history = if needs_facts(program) { history(cx, rules, known, today) } else { History::default() };
    let tier = standing.reached.as_ref().map(|reached| &reached.tier).or(program.tiers.first().map(|tier| &tier.code));
    // Below zero for a moment, where a first spending was taken back before it was counted.
    let qualifying = standing.qualifying.max(Points::ZERO);
    let rank = tier.and_then(|tier| rank_of(&program.tiers, tier, qualifying));
    let code = tier.map(ToString::to_string).unwrap_or_default();
    StandingReply {
        member_id,
        name: name_of(cx, rules, standing.reached.as_ref(), &code),
        tier: code,
        since: standing.reached.as_ref().map(|reached| reached.since),
        qualifying,
        next: tier.and_then(|tier| find_next(program, tier, qualifying, seen.from(history.floor))),
        entitlements: held.iter().filter(|entitlement| entitlement.is_valid(today)).map(entitlement_reply).collect(),
        awaiting_activation: standing.awaiting,
        year: year(rules, known, history),
        // Before activation nothing is granted.
        benefits: rank.filter(|_| !standing.awaiting).map(|rank| benefits(&program.tiers, rank)).unwrap_or_default(),
        metrics: metrics(rules, rank, seen),
    }
}

fn entitlement_reply(entitlement: &Entitlement) -> EntitlementReply {
    EntitlementReply {
        entitlement_id: entitlement.id,
        benefit: entitlement.kind.to_string(),
        name: entitlement.name.clone(),
        count: entitlement.count,
        left: entitlement.left(),
        valid_until: entitlement.valid_until,
    }
}

fn benefits(tiers: &[Tier], rank: usize) -> Vec<BenefitReply> {
    let each = benefits_at(tiers, rank).into_iter();
    each.map(|(_, benefit)| BenefitReply { kind: benefit.kind.to_string(), text: benefit.text.clone(), percent: benefit.percent }).collect()
}

fn history(cx: &Ctx, rules: &AppliedProgram, known: &Known, today: NaiveDate) -> History {
    let zone = rules.program.time_zone();
    tell(&known.standing, &known.facts, today, &|day| cx.programs.in_force_at(clock::start_of_day(day, zone)))
}

/// The running membership year.
fn year(rules: &AppliedProgram, known: &Known, history: History) -> Option<MembershipYear> {
    let (program, year) = (&rules.program, history.year?);
    let tier = known.standing.reached.as_ref().and_then(|reached| program.tiers.iter().find(|tier| tier.code == reached.tier))?;
    let seen = Seen { all: &known.facts, recent: &known.facts[year.counted_from.min(known.facts.len())..] };
    Some(MembershipYear {
        from: year.from,
        to: year.end.pred_opt()?,
        grace_to: year.down_on.pred_opt()?,
        earned: year.earned,
        warned: known.standing.warned_of == Some(year.down_on),
        missing: if year.earned { Vec::new() } else { seen.missing_of(tier.ways(), tier, &program.ladder) },
    })
}

/// Every metric that is not 0; of invitations and approvals those for the next tier.
fn metrics(rules: &AppliedProgram, rank: Option<usize>, seen: Seen<'_>) -> Vec<MetricValue> {
    let tiers = &rules.program.tiers;
    let Some(tier) = rank.and_then(|rank| tiers.get(rank + 1).or(tiers.get(rank))) else { return Vec::new() };
    let each = TierMetric::ALL.iter().map(|metric| (*metric, seen.value(*metric, &rules.program.ladder, tier)));
    each.filter(|(_, units)| *units != 0).map(|(metric, units)| MetricValue { metric, value: metric.value(units) }).collect()
}

/// The tier's name in the program in force; one that this no longer knows keeps the name under which it was reached.
fn name_of(cx: &Ctx, rules: &AppliedProgram, reached: Option<&Reached>, tier: &str) -> Text {
    let named = |rules: &AppliedProgram| {
        let named = |step: &&Tier| step.code.as_str() == tier;
        rules.program.tiers.iter().find(named).map(|step| step.name.clone())
    };
    let then = || reached.and_then(|reached| cx.programs.get(reached.program_version)).and_then(|rules| named(&rules));
    named(rules).or_else(then).unwrap_or_else(|| Text::new(tier, tier))
}

/// `api.tier.standing.counts`: members by tier code, those of whom something was heard.
pub struct Counts;

impl Query for Counts {
    type Endpoint = TierCounts;

    async fn answer(&self, cx: &Ctx, _: Empty) -> Result<CountsReply, Problem> {
        Ok(CountsReply { counts: standing::count(&cx.pool).await.map_err(unavailable)? })
    }
}
