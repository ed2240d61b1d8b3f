//! `api.member.member.announce`: what others know of members is said once more, for services that weren't there when it happened.
//!
//! Nothing changes: each event bears the sequence that the member has, so whoever knows it already has nothing to do. Members are
//! locked, or a change under way could be said after its successor with the sequence of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jifen_contracts::{
    Problem,
    endpoint::{AnnounceReply, AnnounceRequest, MemberAnnounce},
};
use jifen_kernel::MemberId;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;

use crate::{
    handlers::whole::{self, Loaded},
    keys, outbound,
    store::members,
};

/// Members of one part: each is opened, and an event of some hundred bytes.
const PART: i64 = 500;

/// `api.member.member.announce`.
pub struct AnnounceMembers;

impl Mutation for AnnounceMembers {
    type Endpoint = MemberAnnounce;
    type Prepared = ();

    fn operation_id(request: &AnnounceRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<AnnounceRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<AnnounceRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<AnnounceReply, Problem>>, Failure> {
        let mut answers = Vec::with_capacity(batch.len());
        for asked in batch {
            let after = asked.request.after.map_or(uuid::Uuid::nil(), |member| member.0);
            let registered = members::list_after(tx, after, PART).await?;
            let loaded = load(cx, tx, &registered).await?;
            for (member, Loaded { profile, .. }) in &loaded {
                let at = registered.get(member).copied().unwrap_or_else(|| out.now());
                let said = outbound::announced(profile, &keys::of_profile(&cx.lookup, profile), at);
                out.event(&asked.cause, Some(profile.standing.sequence), &said);
            }
            let is_full = i64::try_from(registered.len()).unwrap_or(PART) == PART;
            answers.push(Ok(AnnounceReply {
                announced: u32::try_from(loaded.len()).unwrap_or(u32::MAX),
                unreadable: registered.keys().filter(|member| !loaded.contains_key(*member)).copied().collect(),
                after: registered.keys().next_back().filter(|_| is_full).copied(),
            }));
        }
        Ok(answers)
    }
}

/// All of them at once; or, if one can't be opened, each by itself: the others are said all the same.
async fn load(
    cx: &Ctx,
    tx: &mut PgConnection,
    registered: &BTreeMap<MemberId, DateTime<Utc>>,
) -> Result<BTreeMap<MemberId, Loaded>, Failure> {
    let all: BTreeSet<MemberId> = registered.keys().copied().collect();
    match whole::load(cx, tx, &all).await {
        Err(Failure::Defect(_) | Failure::Unreadable(_)) => {}
        loaded => return loaded,
    }
    let mut loaded = BTreeMap::new();
    for member in all {
        match whole::load(cx, tx, &BTreeSet::from([member])).await {
            Ok(one) => loaded.extend(one),
            Err(failure @ Failure::Transient(_)) => return Err(failure),
            Err(failure) => tracing::error!(service = cx.service, %failure, "a member can't be announced"),
        }
    }
    Ok(loaded)
}
