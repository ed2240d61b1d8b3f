//! `api.points.adjustment.create`, `.approve`, `.reject`, `.list`: who may do what stands in the program; whom the caller names is
//! the caller's to know.

use std::{collections::BTreeMap, marker::PhantomData};

use jifen_contracts::{
    Problem, code,
    endpoint::{
        AdjustmentApprove, AdjustmentCreate, AdjustmentCreateRequest, AdjustmentDecisionRequest, AdjustmentList, AdjustmentReject,
        AdjustmentReply, AdjustmentState, AdjustmentsReply, AdjustmentsRequest, Endpoint, MemberRequest,
    },
    program::AppliedProgram,
};
use jifen_kernel::Points;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox, Query, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    PAGE, PAGE_MAX, ask_member, find_account,
    members::{Members, name_members, named, some_points, staff, store_named, text},
    unavailable,
};
use crate::{
    domain::{
        adjustment::{Adjustment, Refused, decide_posting, decide_request, decide_second},
        hold::Moment,
    },
    handlers::ids,
    outbound,
    store::adjustments,
    till::{Books, rules, today},
};

type Answer = Result<AdjustmentReply, Problem>;

/// Characters of a note.
const NOTE: usize = 200;

fn reply(adjustment: &Adjustment) -> AdjustmentReply {
    let (decided_by, decided_at) = adjustment.decided.clone().unzip();
    AdjustmentReply {
        adjustment_id: adjustment.adjustment_id,
        state: adjustment.state,
        member_id: adjustment.member_id,
        member_no: adjustment.member_no.clone(),
        store: adjustment.store.clone(),
        points: adjustment.points,
        reason: adjustment.reason.to_string(),
        note: adjustment.note.clone(),
        by: adjustment.by.clone(),
        at: adjustment.created_at,
        decided_by,
        decided_at,
    }
}

fn problem(refused: Refused) -> Problem {
    match refused {
        Refused::UnknownRole => Problem::new(code::ADJUSTMENT_UNKNOWN_ROLE).at("/by/role"),
        Refused::OverLimit => Problem::new(code::ADJUSTMENT_OVER_LIMIT).at("/by/role"),
        Refused::Own => Problem::new(code::ADJUSTMENT_OWN).at("/by/staff_id"),
        Refused::Resolved => Problem::new(code::ADJUSTMENT_RESOLVED).at("/adjustment_id"),
        Refused::Frozen => code::POINTS_FROZEN.into(),
        Refused::Insufficient => code::POINTS_INSUFFICIENT.into(),
    }
}

/// Moves an adjustment's points, and announces it; refused, nothing has moved.
fn post(
    books: &mut Books,
    adjustment: &Adjustment,
    rules: &AppliedProgram,
    now: &mut Moment<'_>,
    (cause, out): (&Cause, &mut Outbox),
) -> Result<Result<(), Refused>, Failure> {
    let member_id = adjustment.member_id;
    let frozen = books.is_frozen(member_id);
    let posted = books.decide(member_id, |account, lots| decide_posting(account, lots, frozen, adjustment, &rules.program.expiry, now))?;
    let adjusted = match posted {
        Ok(adjusted) => adjusted,
        Err(refused) => return Ok(Err(refused)),
    };
    books.moved(adjusted.entries);
    if let Some(lot) = adjusted.new_lot {
        books.made(member_id, lot);
    }
    let account = books.account(member_id)?;
    out.event(cause, Some(account.sequence), &outbound::till::adjusted(adjustment, account, adjusted.repaid, now.at));
    Ok(Ok(()))
}

/// `api.points.adjustment.create`
pub struct CreateAdjustment;

impl Mutation for CreateAdjustment {
    type Endpoint = AdjustmentCreate;
    type Prepared = Members;

    fn operation_id(request: &AdjustmentCreateRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<AdjustmentCreateRequest>]) -> Result<Members, Failure> {
        name_members(cx, batch.iter().map(|asked| asked.request.member_no.as_str())).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<AdjustmentCreateRequest>],
        members: &Members,
        out: &mut Outbox,
    ) -> Result<Vec<Answer>, Failure> {
        let rules = rules(cx, out)?;
        let mut next_id = ids(cx, out);
        let read: Vec<_> = batch.iter().map(|asked| wanted(&rules, members, &asked.request, &mut next_id, out)).collect();
        let posted = read.iter().flatten().filter(|adjustment| adjustment.state == AdjustmentState::Posted);
        let locked: BTreeMap<_, _> = posted.map(|adjustment| (adjustment.member_id, adjustment.member_no.as_str())).collect();
        let mut books = Books::of_members(tx, &locked).await?;
        let mut answers = Vec::with_capacity(batch.len());
        let mut made = Vec::new();
        for (asked, adjustment) in batch.iter().zip(&read) {
            let mut now = Moment { at: out.now(), today: today(&rules, out), next_id: &mut next_id };
            let moved = match adjustment {
                Err(problem) => Err(problem.clone()),
                Ok(waiting) if waiting.state == AdjustmentState::Waiting => Ok(waiting),
                Ok(due) => post(&mut books, due, &rules, &mut now, (&asked.cause, out))?.map(|()| due).map_err(problem),
            };
            made.extend(moved.as_ref().ok().copied());
            answers.push(moved.map(reply));
        }
        if !made.is_empty() {
            adjustments::insert(tx, &made).await?;
        }
        books.save(tx, out).await?;
        Ok(answers)
    }
}

fn wanted(
    rules: &AppliedProgram,
    members: &Members,
    request: &AdjustmentCreateRequest,
    next_id: &mut dyn FnMut() -> Uuid,
    out: &Outbox,
) -> Result<Adjustment, Problem> {
    staff(&request.by)?;
    if let Some(note) = &request.note {
        text(note, NOTE, "/note")?;
    }
    let store = store_named(rules, &request.store)?;
    some_points(Points(request.points.0.saturating_abs()), "/points")?;
    let limits = &rules.program.adjustments;
    let reason = limits.reason(&request.reason).ok_or_else(|| Problem::new(code::ADJUSTMENT_UNKNOWN_REASON).at("/reason"))?;
    let state = decide_request(limits, &request.by, request.points).map_err(problem)?;
    let member = named(members, &request.member_no)?;
    Ok(Adjustment {
        adjustment_id: next_id(),
        member_id: member.member_id,
        member_no: request.member_no.clone(),
        store,
        points: request.points,
        reason: reason.code.clone(),
        note: request.note.clone(),
        state,
        program_version: rules.version,
        by: request.by.clone(),
        created_at: out.now(),
        decided: None,
    })
}

/// What a second person says.
pub trait Second: Endpoint<Request = AdjustmentDecisionRequest, Reply = AdjustmentReply> + Send + Sync {
    /// Yes.
    const APPROVES: bool;
}

impl Second for AdjustmentApprove {
    const APPROVES: bool = true;
}

impl Second for AdjustmentReject {
    const APPROVES: bool = false;
}

/// `api.points.adjustment.approve`, `api.points.adjustment.reject`
pub struct Decide<S>(PhantomData<fn(S)>);

impl<S> Default for Decide<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S: Second> Mutation for Decide<S> {
    type Endpoint = S;
    type Prepared = ();

    fn operation_id(request: &AdjustmentDecisionRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<AdjustmentDecisionRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<AdjustmentDecisionRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Answer>, Failure> {
        let rules = rules(cx, out)?;
        let ids_named: Vec<Uuid> = batch.iter().map(|asked| asked.request.adjustment_id).collect();
        let known = adjustments::load(tx, &ids_named).await?;
        let mut books = Books::of_members(tx, &known.values().map(|a| (a.member_id, a.member_no.as_str())).collect()).await?;
        // Read again under the lock: another copy may have decided.
        let mut all = if known.is_empty() { known } else { adjustments::load(tx, &ids_named).await? };
        let mut next_id = ids(cx, out);
        let (mut answers, mut decided) = (Vec::with_capacity(batch.len()), Vec::new());
        for asked in batch {
            let request = &asked.request;
            let mut now = Moment { at: out.now(), today: today(&rules, out), next_id: &mut next_id };
            let adjustment = all.get_mut(&request.adjustment_id).ok_or_else(|| Problem::new(code::ADJUSTMENT_UNKNOWN).at("/adjustment_id"));
            let ready = adjustment.and_then(|adjustment| {
                staff(&request.by)?;
                decide_second(&rules.program.adjustments, adjustment, &request.by, S::APPROVES).map_err(problem)?;
                Ok(adjustment)
            });
            let adjustment = match ready {
                Ok(adjustment) => adjustment,
                Err(problem) => {
                    answers.push(Err(problem));
                    continue;
                }
            };
            if S::APPROVES
                && let Err(refused) = post(&mut books, adjustment, &rules, &mut now, (&asked.cause, out))?
            {
                answers.push(Err(problem(refused)));
                continue;
            }
            adjustment.state = if S::APPROVES { AdjustmentState::Posted } else { AdjustmentState::Rejected };
            adjustment.decided = Some((request.by.clone(), out.now()));
            decided.push(adjustment.adjustment_id);
            answers.push(Ok(reply(adjustment)));
        }
        if !decided.is_empty() {
            adjustments::save_decided(tx, &decided.iter().filter_map(|id| all.get(id)).collect::<Vec<_>>()).await?;
        }
        books.save(tx, out).await?;
        Ok(answers)
    }
}

/// `api.points.adjustment.list`
pub struct Adjustments;

impl Query for Adjustments {
    type Endpoint = AdjustmentList;

    async fn answer(&self, cx: &Ctx, request: AdjustmentsRequest) -> Result<AdjustmentsReply, Problem> {
        let limit = request.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Problem::new(code::REQUEST_MALFORMED).detail(format!("limit must be 1 to {PAGE_MAX}")).at("/limit"));
        }
        let member = match request.member_no {
            None => None,
            Some(member_no) => Some(match find_account(cx, &member_no).await? {
                Some(account) => account.member_id,
                None => ask_member(cx, MemberRequest { member_no }).await?,
            }),
        };
        let before = request.before.unwrap_or(Uuid::max());
        let listed = adjustments::list(&cx.pool, member, request.state, before, i64::from(limit)).await.map_err(unavailable)?;
        Ok(AdjustmentsReply { adjustments: listed.iter().map(reply).collect() })
    }
}
