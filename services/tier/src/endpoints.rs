//! What can be asked of tiers.

use jifen_contracts::{
    Problem, code,
    code::Text,
    endpoint::{CountsReply, Empty, MemberGet, MemberRequest, Missing, NextTier, StandingGet, StandingReply, TierCounts},
    program::{AppliedProgram, Tier},
};
use jifen_kernel::MemberId;
use jifen_runtime::{Ctx, Failure, Query, ask};

use crate::{
    domain::{
        next::find_next,
        standing::{Reached, Standing},
    },
    store::standing,
};

fn unavailable(failure: Failure) -> Problem {
    tracing::error!(error = %failure, "a read failed");
    Problem::new(code::SERVICE_UNAVAILABLE)
}

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
        match standing::find(&cx.pool, &request.member_no).await.map_err(unavailable)? {
            Some((member_id, standing)) => Ok(reply(cx, &rules, member_id, &standing)),
            // A member without entries may exist all the same: member knows.
            None => Ok(reply(cx, &rules, ask::<MemberGet>(&cx.nats, &request).await?.member_id, &Standing::default())),
        }
    }
}

fn reply(cx: &Ctx, rules: &AppliedProgram, member_id: MemberId, standing: &Standing) -> StandingReply {
    let ladder = &rules.program.tiers;
    let lowest = ladder.first().map(|tier| &tier.code);
    let tier = standing.reached.as_ref().map(|reached| &reached.tier).or(lowest);
    let next = tier.and_then(|tier| find_next(ladder, tier, standing.qualifying));
    let code = tier.map(ToString::to_string).unwrap_or_default();
    StandingReply {
        member_id,
        name: name_of(cx, rules, standing.reached.as_ref(), &code),
        tier: code,
        since: standing.reached.as_ref().map(|reached| reached.since),
        qualifying: standing.qualifying,
        next: next.map(|(tier, points)| NextTier { tier: tier.code.to_string(), missing: Missing { points, any: Vec::new() } }),
        entitlements: Vec::new(),
        awaiting_activation: false,
        year: None,
        benefits: Vec::new(),
        metrics: Vec::new(),
    }
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

/// `api.tier.standing.counts`: members by tier code, those who have earned something at least once.
pub struct Counts;

impl Query for Counts {
    type Endpoint = TierCounts;

    async fn answer(&self, cx: &Ctx, _: Empty) -> Result<CountsReply, Problem> {
        Ok(CountsReply { counts: standing::count(&cx.pool).await.map_err(unavailable)? })
    }
}
