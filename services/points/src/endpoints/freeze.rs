//! `api.points.account.freeze`, `.unfreeze`: under the lock of the account, so that who holds or takes points afterwards sees it.

use std::{collections::BTreeMap, marker::PhantomData};

use jifen_contracts::{
    Problem, code,
    endpoint::{AccountFreeze, AccountUnfreeze, Endpoint, FreezeReply, FreezeRequest},
};
use jifen_kernel::MemberId;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;

use super::members::{Members, name_members, named, staff, text};
use crate::{
    outbound,
    store::{accounts, freezes},
};

/// Characters of a reason.
const REASON: usize = 200;

/// Freezes, or ends that.
pub trait Change: Endpoint<Request = FreezeRequest, Reply = FreezeReply> + Send + Sync {
    /// The account is frozen afterwards.
    const FREEZES: bool;
}

impl Change for AccountFreeze {
    const FREEZES: bool = true;
}

impl Change for AccountUnfreeze {
    const FREEZES: bool = false;
}

/// `api.points.account.freeze`, `api.points.account.unfreeze`
pub struct Freeze<C>(PhantomData<fn(C)>);

impl<C> Default for Freeze<C> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

fn read(members: &Members, request: &FreezeRequest) -> Result<MemberId, Problem> {
    staff(&request.by)?;
    text(&request.reason, REASON, "/reason")?;
    named(members, &request.member_no).map(|member| member.member_id)
}

impl<C: Change> Mutation for Freeze<C> {
    type Endpoint = C;
    type Prepared = Members;

    fn operation_id(request: &FreezeRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<FreezeRequest>]) -> Result<Members, Failure> {
        name_members(cx, batch.iter().map(|asked| asked.request.member_no.as_str())).await
    }

    async fn handle(
        &self,
        _: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<FreezeRequest>],
        members: &Members,
        out: &mut Outbox,
    ) -> Result<Vec<Result<FreezeReply, Problem>>, Failure> {
        let read: Vec<_> = batch.iter().map(|asked| read(members, &asked.request)).collect();
        let named = read.iter().zip(batch).filter_map(|(member, asked)| Some((*member.as_ref().ok()?, asked.request.member_no.as_str())));
        let named: BTreeMap<MemberId, &str> = named.collect();
        if named.is_empty() {
            return Ok(read.into_iter().map(|member| member.and(Err(code::SERVICE_INTERNAL.into()))).collect());
        }
        let accounts = accounts::load_locked(tx, &named).await?;
        let mut frozen = freezes::load(tx, &named.into_keys().collect::<Vec<_>>()).await?;
        let (mut answers, mut said) = (Vec::with_capacity(batch.len()), freezes::Said::new());
        for (asked, member) in batch.iter().zip(read) {
            let changed = member.and_then(|member_id| match (C::FREEZES, frozen.contains(&member_id)) {
                (true, true) => Err(Problem::new(code::POINTS_FROZEN).at("/member_no")),
                (false, false) => Err(Problem::new(code::POINTS_NOT_FROZEN).at("/member_no")),
                _ => Ok(member_id),
            });
            if let Ok(member_id) = changed {
                let account = accounts.get(&member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
                said.insert(member_id, (asked.request.reason.as_str(), &asked.request.by));
                if C::FREEZES {
                    frozen.insert(member_id);
                    out.event(&asked.cause, None, &outbound::till::frozen(account, out.now()));
                } else {
                    frozen.remove(&member_id);
                    out.event(&asked.cause, None, &outbound::till::unfrozen(account, out.now()));
                }
            }
            answers.push(changed.map(|member_id| FreezeReply { member_id, frozen: C::FREEZES, at: out.now() }));
        }
        if said.is_empty() {
            return Ok(answers);
        }
        if C::FREEZES {
            freezes::freeze(tx, &said, out.now()).await?;
        } else {
            freezes::unfreeze(tx, &said, out.now()).await?;
        }
        Ok(answers)
    }
}
