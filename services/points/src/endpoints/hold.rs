//! `api.points.hold.create`: of several tills on one balance those get points for whom there are enough, since each waits for the
//! lock of the account and reads what the one before it left.

use jifen_contracts::{
    Problem, code,
    code::Code,
    endpoint::{HoldCreate, HoldCreateRequest, HoldReply, HoldState},
    program::AppliedProgram,
};
use jifen_kernel::Points;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;

use super::members::{Members, name_members, named, some_points, store_named};
use crate::{
    domain::{
        account::Account,
        hold::{Hold, Moment, Refused, decide_hold},
    },
    handlers::ids,
    outbound,
    store::holds,
    till::{Books, rules, today},
};

pub(super) fn reply(hold: &Hold, account: &Account) -> HoldReply {
    HoldReply {
        hold_id: hold.hold_id,
        member_id: hold.member_id,
        state: hold.state,
        points: hold.points,
        captured: hold.captured,
        expires_at: hold.expires_at,
        reserved: account.balance.reserved,
        active: account.balance.active,
        debt: account.balance.debt,
    }
}

pub(super) fn problem(refused: Refused) -> Problem {
    let (code, pointer): (Code, &str) = match refused {
        Refused::Insufficient => (code::POINTS_INSUFFICIENT, "/points"),
        Refused::Frozen => (code::POINTS_FROZEN, ""),
        Refused::Resolved => (code::HOLD_RESOLVED, "/hold_id"),
        Refused::Expired => (code::HOLD_EXPIRED, "/hold_id"),
        Refused::Exceeded => (code::HOLD_EXCEEDED, "/points"),
        Refused::TooLong => (code::HOLD_TOO_LONG, "/expires_in_s"),
    };
    if pointer.is_empty() { Problem::new(code) } else { Problem::new(code).at(pointer) }
}

/// `api.points.hold.create`
pub struct CreateHold;

impl Mutation for CreateHold {
    type Endpoint = HoldCreate;
    type Prepared = Members;

    fn operation_id(request: &HoldCreateRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<HoldCreateRequest>]) -> Result<Members, Failure> {
        name_members(cx, batch.iter().map(|asked| asked.request.member_no.as_str())).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<HoldCreateRequest>],
        members: &Members,
        out: &mut Outbox,
    ) -> Result<Vec<Result<HoldReply, Problem>>, Failure> {
        let rules = rules(cx, out)?;
        let mut next_id = ids(cx, out);
        let read: Vec<_> = batch.iter().map(|asked| wanted(&rules, members, &asked.request, &mut next_id, out)).collect();
        // Who has no account has no points, and needs none for that.
        let locked =
            read.iter().zip(batch).filter_map(|(hold, asked)| Some((hold.as_ref().ok()?.member_id, asked.request.member_no.as_str())));
        let mut books = Books::of_members(tx, &locked.collect()).await?;
        let (mut answers, mut made) = (Vec::with_capacity(batch.len()), Vec::new());
        for (asked, hold) in batch.iter().zip(read) {
            let hold = match hold {
                Ok(hold) => hold,
                Err(problem) => {
                    answers.push(Err(problem));
                    continue;
                }
            };
            let frozen = books.is_frozen(hold.member_id);
            let mut now = Moment { at: out.now(), today: today(&rules, out), next_id: &mut next_id };
            let decided =
                books.decide(
                    hold.member_id,
                    |account, lots| {
                        if frozen { Err(Refused::Frozen) } else { decide_hold(account, lots, &hold, &mut now) }
                    },
                )?;
            answers.push(match decided {
                Ok(entries) => {
                    books.moved(entries);
                    let account = books.account(hold.member_id)?;
                    out.event(&asked.cause, Some(account.sequence), &outbound::till::held(&hold, account, out.now()));
                    let answer = reply(&hold, account);
                    made.push(hold);
                    Ok(answer)
                }
                Err(refused) => Err(problem(refused)),
            });
        }
        if !made.is_empty() {
            holds::insert(tx, &made).await?;
        }
        books.save(tx, out).await?;
        Ok(answers)
    }
}

/// The hold that a request asks for, if its points are there.
fn wanted(
    rules: &AppliedProgram,
    members: &Members,
    request: &HoldCreateRequest,
    next_id: &mut dyn FnMut() -> uuid::Uuid,
    out: &Outbox,
) -> Result<Hold, Problem> {
    let store = store_named(rules, &request.store)?;
    let points = some_points(request.points, "/points")?;
    let limits = &rules.program.redemption;
    let seconds = request.expires_in_s.unwrap_or(limits.hold_s);
    let expires_at = Hold::decide_expiry(out.now(), out.now(), seconds, limits.hold_longest_s).map_err(problem)?;
    let member = named(members, &request.member_no)?;
    if !member.has_account {
        return Err(problem(Refused::Insufficient));
    }
    Ok(Hold {
        hold_id: next_id(),
        member_id: member.member_id,
        store,
        points,
        captured: Points::ZERO,
        state: HoldState::Open,
        program_version: rules.version,
        created_at: out.now(),
        expires_at,
        document: None,
        returned: false,
    })
}
