//! `api.tier.member.invite`, `api.tier.member.approve`: staff brings a member to a tier, with a reason that is kept.

use std::{
    collections::{BTreeMap, HashMap},
    marker::PhantomData,
    sync::Arc,
};

use jifen_contracts::{
    Problem, code,
    endpoint::{Endpoint, TierApprove, TierGiftReply, TierGiftRequest, TierInvite},
    program::{AppliedProgram, TierMeasure},
};
use jifen_kernel::{Money, Points, clock};
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;

use super::{Named, name_members, named};
use crate::{
    domain::contribution::{Contribution, Fact, Source},
    settle::{Day, Heard, News, settle},
    store::{
        contribution::{self, Gift},
        standing,
    },
};

/// Which kind of gift an endpoint gives.
pub trait Kind: Endpoint<Request = TierGiftRequest, Reply = TierGiftReply> + Send + Sync {
    /// The fact's source.
    const SOURCE: Source;
    /// What a tier must ask for.
    const MEASURE: TierMeasure;
}

impl Kind for TierInvite {
    const SOURCE: Source = Source::Invitation;
    const MEASURE: TierMeasure = TierMeasure::Invitation;
}

impl Kind for TierApprove {
    const SOURCE: Source = Source::Approval;
    const MEASURE: TierMeasure = TierMeasure::Approval;
}

/// Staff brings a member to a tier.
pub struct Give<K>(PhantomData<fn(K)>);

impl<K> Default for Give<K> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// A reason, in characters.
const REASON: std::ops::RangeInclusive<usize> = 1..=200;

impl<K: Kind> Mutation for Give<K> {
    type Endpoint = K;
    type Prepared = BTreeMap<String, Result<Named, Problem>>;

    fn operation_id(request: &TierGiftRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<TierGiftRequest>]) -> Result<Self::Prepared, Failure> {
        name_members(cx, batch.iter().map(|asked| asked.request.member_no.as_str())).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<TierGiftRequest>],
        members: &Self::Prepared,
        out: &mut Outbox,
    ) -> Result<Vec<Result<TierGiftReply, Problem>>, Failure> {
        let rules = cx.programs.in_force_at(out.now()).ok_or_else(|| Failure::transient("no program in force is known yet"))?;
        let read = batch.iter().map(|asked| read::<K>(&rules, members, &asked.request, out));
        let read: Vec<Result<Contribution, Problem>> = read.collect();
        let gifts: Vec<&Contribution> = read.iter().flatten().collect();
        if gifts.is_empty() {
            return Ok(read.into_iter().map(|gift| gift.and(Err(code::SERVICE_INTERNAL.into()))).collect());
        }
        // The operation is claimed: nobody gives the same twice. The row makes it count like any other fact.
        let mut sorted = gifts.clone();
        sorted.sort_unstable_by_key(|gift| contribution::key_of(gift));
        contribution::claim(tx, &sorted, out.now()).await?;
        contribution::save_gifts(tx, &kept(&gifts, batch), out.now()).await?;
        let numbered = gifts.iter().map(|gift| (gift.member_id, (gift.member_no.as_str(), &gift.fact.store))).collect();
        let mut standings = standing::load_locked(tx, &numbered).await?;
        let news: Vec<News<'_>> = batch
            .iter()
            .zip(&read)
            .filter_map(|(asked, gift)| {
                let gift = gift.as_ref().ok()?;
                let rules = Arc::clone(&rules);
                Some(News { member_id: gift.member_id, cause: &asked.cause, rules, heard: Heard::Fact(&gift.fact) })
            })
            .collect();
        settle(cx, tx, &mut standings, &news, Day::today(out, &rules), out).await?;
        standing::save(tx, &standings).await?;
        let lowest = rules.program.tiers.first().map(|tier| tier.code.to_string()).unwrap_or_default();
        let answer = |gift: &Contribution| {
            let reached = standings.get(&gift.member_id).and_then(|standing| standing.reached.as_ref());
            TierGiftReply { member_id: gift.member_id, tier: reached.map_or_else(|| lowest.clone(), |reached| reached.tier.to_string()) }
        };
        Ok(read.iter().map(|gift| gift.as_ref().map(answer).map_err(Clone::clone)).collect())
    }
}

fn read<K: Kind>(
    rules: &AppliedProgram,
    members: &BTreeMap<String, Result<Named, Problem>>,
    request: &TierGiftRequest,
    out: &Outbox,
) -> Result<Contribution, Problem> {
    let program = &rules.program;
    let reason = request.reason.trim();
    if !REASON.contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        return Err(Problem::new(code::TIER_BAD_REASON).at("/reason"));
    }
    let tier = program.tiers.iter().find(|tier| tier.code.as_str() == request.tier);
    let tier = tier.filter(|tier| tier.any.iter().flat_map(|way| &way.all).any(|asked| asked.metric.measure() == K::MEASURE));
    let tier = tier.ok_or_else(|| Problem::new(code::TIER_UNKNOWN).at("/tier"))?;
    let member = named(members, &request.member_no)?;
    // A gift has no store of its own: the member's, or the group's first, stands in its key beside the operation.
    let store = program.stores.first().map(|store| store.code.clone()).ok_or_else(|| Problem::new(code::SERVICE_UNAVAILABLE))?;
    let fact = Fact {
        source: K::SOURCE,
        store: member.store.filter(|store| program.store(store.as_str()).is_some()).unwrap_or(store),
        document: request.operation_id.clone(),
        business_date: clock::local_date(out.now(), program.time_zone()),
        at: Some(out.now()),
        qualifying: Points::ZERO,
        paid: BTreeMap::new(),
        visit: false,
        paid_visit: false,
        vehicle: None,
        amount: Money::ZERO,
        detail: Some(tier.code.to_string()),
    };
    Ok(Contribution {
        member_id: member.member_id,
        member_no: request.member_no.clone(),
        program_version: rules.version,
        pending: false,
        fact,
    })
}

/// Why, for who looks back later.
fn kept(gifts: &[&Contribution], batch: &[&Asked<TierGiftRequest>]) -> Vec<Gift> {
    let reasons: HashMap<&str, &str> =
        batch.iter().map(|asked| (asked.request.operation_id.as_str(), asked.request.reason.trim())).collect();
    let gift = |given: &&Contribution| Gift {
        source: given.fact.source,
        operation_id: given.fact.document.clone(),
        member_id: given.member_id,
        tier: given.fact.detail.clone().unwrap_or_default(),
        reason: reasons.get(given.fact.document.as_str()).map(ToString::to_string).unwrap_or_default(),
    };
    gifts.iter().map(gift).collect()
}
