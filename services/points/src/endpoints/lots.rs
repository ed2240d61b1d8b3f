//! `api.points.lots.list`, `.extend`, `.revive`, `api.points.pending.release`: lots, and what staff does with their ends.

use std::collections::BTreeMap;

use jifen_contracts::{
    Problem, code,
    endpoint::{
        LotChangeKind, LotsChanged, LotsExtend, LotsExtendRequest, LotsList, LotsReply, LotsRevive, LotsReviveRequest, MemberRequest,
        PendingRelease, PendingReleaseReply, PendingReleaseRequest, Staff,
    },
};
use jifen_kernel::{MemberId, Points};
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox, Query};
use sqlx::PgConnection;

use super::{
    ask_member, find_account,
    members::{Members, name_members, named, staff, text},
    unavailable,
};
use crate::{
    domain::lot_change::{decide_revival, may_end_on, revives},
    handlers::{ids, member_activated::activate},
    store::{
        accounts, activations, entries,
        lot_changes::{self, NewChange},
        lots,
    },
    till::{rules, today},
};

/// Lots of one answer.
const MOST: i64 = 500;
/// Characters of a reason.
const REASON: usize = 200;

/// `api.points.lots.list`
pub struct Lots;

impl Query for Lots {
    type Endpoint = LotsList;

    async fn answer(&self, cx: &Ctx, request: MemberRequest) -> Result<LotsReply, Problem> {
        let Some(account) = find_account(cx, &request.member_no).await? else {
            ask_member(cx, request).await?;
            return Ok(LotsReply { lots: Vec::new() });
        };
        let lots = lot_changes::list(&cx.pool, account.member_id, MOST).await.map_err(unavailable)?;
        Ok(LotsReply { lots })
    }
}

/// Whom a request is about, if what staff says is in order.
fn judge(members: &Members, member_no: &str, by: &Staff, reason: &str) -> Result<MemberId, Problem> {
    staff(by)?;
    text(reason, REASON, "/reason")?;
    let member = named(members, member_no)?;
    if member.has_account { Ok(member.member_id) } else { Err(code::POINTS_LOT_UNKNOWN.into()) }
}

/// Locks the accounts of what can be done, in the order of members.
async fn lock(tx: &mut PgConnection, judged: &[Result<MemberId, Problem>]) -> Result<accounts::Accounts, Failure> {
    let members: BTreeMap<MemberId, &str> = judged.iter().flatten().map(|member| (*member, "")).collect();
    if members.is_empty() { Ok(accounts::Accounts::new()) } else { accounts::load_locked(tx, &members).await }
}

/// `api.points.lots.extend`
pub struct ExtendLots;

impl Mutation for ExtendLots {
    type Endpoint = LotsExtend;
    type Prepared = Members;

    fn operation_id(request: &LotsExtendRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<LotsExtendRequest>]) -> Result<Members, Failure> {
        name_members(cx, batch.iter().map(|asked| asked.request.member_no.as_str())).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<LotsExtendRequest>],
        members: &Members,
        out: &mut Outbox,
    ) -> Result<Vec<Result<LotsChanged, Problem>>, Failure> {
        let today = today(rules(cx, out)?.as_ref(), out);
        let judged: Vec<_> = batch
            .iter()
            .map(|asked| {
                let request = &asked.request;
                let member = judge(members, &request.member_no, &request.by, &request.reason)?;
                if may_end_on(request.until, today) { Ok(member) } else { Err(Problem::new(code::POINTS_BAD_EXTENSION).at("/until")) }
            })
            .collect();
        let accounts = lock(tx, &judged).await?;
        let mut lots = lots::load(tx, &accounts.keys().copied().collect::<Vec<_>>(), &[]).await?;
        let (mut answers, mut changes) = (Vec::with_capacity(batch.len()), Vec::new());
        for (asked, judged) in batch.iter().zip(judged) {
            let request = &asked.request;
            let extended = judged.and_then(|member_id| {
                let own = lots.entry(member_id).or_default();
                let live = |wanted: &uuid::Uuid| own.iter().any(|lot| lot.lot_id == *wanted && lot.points.is_positive());
                if let Some(place) = request.lots.iter().position(|wanted| !live(wanted)) {
                    return Err(Problem::new(code::POINTS_LOT_UNKNOWN).at(format!("/lots/{place}")));
                }
                let wanted = own.iter().filter(|lot| lot.points.is_positive() && lot.expires_on < request.until);
                let wanted = wanted.filter(|lot| request.lots.is_empty() || request.lots.contains(&lot.lot_id));
                let change = |lot: &crate::domain::lots::LotPart| {
                    let change = NewChange {
                        member_id,
                        lot_id: lot.lot_id,
                        kind: LotChangeKind::Extension,
                        before: lot.expires_on,
                        after: request.until,
                        added: Points::ZERO,
                        document: None,
                        staff: Some((request.by.staff_id.clone(), request.reason.clone())),
                    };
                    (lot_changes::changed(&change, lot.points), change)
                };
                Ok(wanted.map(change).unzip::<_, _, Vec<_>, Vec<_>>())
            });
            answers.push(extended.map(|(changed, new)| {
                // A later request of the batch finds what this one did: an end never moves back, and is told as it was.
                if let Some(first) = new.first() {
                    let own = lots.remove(&first.member_id).unwrap_or_default();
                    let moved = own.iter().map(|lot| match new.iter().find(|change| change.lot_id == lot.lot_id) {
                        Some(change) => crate::domain::lots::LotPart { expires_on: change.after, ..lot.clone() },
                        None => lot.clone(),
                    });
                    lots.insert(first.member_id, crate::domain::lots::Lots::new(moved.collect()));
                }
                changes.extend(new);
                LotsChanged { lots: changed }
            }));
        }
        // One statement moves each lot once: what a batch moves twice ends where the later request says.
        save_in_rounds(tx, changes, out).await?;
        Ok(answers)
    }
}

/// Saves changes of which several may be of one lot, in their order.
async fn save_in_rounds(tx: &mut PgConnection, mut changes: Vec<NewChange>, out: &Outbox) -> Result<(), Failure> {
    while !changes.is_empty() {
        let mut seen = std::collections::BTreeSet::new();
        let (now, later): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| seen.insert(change.lot_id));
        lot_changes::save(tx, &now, out.now()).await?;
        changes = later;
    }
    Ok(())
}

/// `api.points.lots.revive`
pub struct ReviveLots;

impl Mutation for ReviveLots {
    type Endpoint = LotsRevive;
    type Prepared = Members;

    fn operation_id(request: &LotsReviveRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<LotsReviveRequest>]) -> Result<Members, Failure> {
        name_members(cx, batch.iter().map(|asked| asked.request.member_no.as_str())).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<LotsReviveRequest>],
        members: &Members,
        out: &mut Outbox,
    ) -> Result<Vec<Result<LotsChanged, Problem>>, Failure> {
        let rules = rules(cx, out)?;
        let today = today(&rules, out);
        let days = rules.program.expiry.revival.and_then(|rule| revives(rule, today, today));
        let judged: Vec<_> = batch
            .iter()
            .map(|asked| judge(members, &asked.request.member_no, &asked.request.by, &asked.request.reason))
            .map(|judged| judged.and_then(|member| days.map(|_| member).ok_or_else(|| code::POINTS_NOT_REVIVABLE.into())))
            .collect();
        let Some((from, until)) = days else {
            return Ok(judged.into_iter().map(|judged| judged.and(Err(code::POINTS_NOT_REVIVABLE.into()))).collect());
        };
        let mut accounts = lock(tx, &judged).await?;
        let mut ended = lot_changes::load_ended(tx, &accounts.keys().map(|member| member.0).collect::<Vec<_>>(), from).await?;
        let mut next_id = ids(cx, out);
        let (mut answers, mut changes, mut moved) = (Vec::with_capacity(batch.len()), Vec::new(), Vec::new());
        for (asked, judged) in batch.iter().zip(judged) {
            let request = &asked.request;
            let revived = judged.and_then(|member_id| {
                let own = ended.remove(&member_id).unwrap_or_default();
                let (wanted, others): (Vec<_>, Vec<_>) =
                    own.into_iter().partition(|lot| request.lots.is_empty() || request.lots.contains(&lot.lot_id));
                ended.insert(member_id, others);
                match accounts.get_mut(&member_id) {
                    Some(account) if !wanted.is_empty() => {
                        let revived = decide_revival(account, &wanted, until, rules.version, out.now(), &mut next_id);
                        Ok((member_id, wanted, revived))
                    }
                    _ => Err(code::POINTS_NOT_REVIVABLE.into()),
                }
            });
            answers.push(revived.map(|(member_id, wanted, revived)| {
                let mut told = Vec::with_capacity(wanted.len());
                for (before, left) in
                    wanted.iter().filter_map(|lot| Some((lot, revived.lots.iter().find(|left| left.lot_id == lot.lot_id)?)))
                {
                    let change = NewChange {
                        member_id,
                        lot_id: before.lot_id,
                        kind: LotChangeKind::Revival,
                        before: before.expires_on,
                        after: until,
                        added: left.points,
                        document: None,
                        staff: Some((request.by.staff_id.clone(), request.reason.clone())),
                    };
                    told.push(lot_changes::changed(&change, left.points));
                    changes.push(change);
                }
                moved.extend(revived.entries);
                LotsChanged { lots: told }
            }));
        }
        if !moved.is_empty() {
            entries::save_entries(tx, &moved.iter().collect::<Vec<_>>()).await?;
            lot_changes::save(tx, &changes, out.now()).await?;
            accounts::save(tx, &accounts).await?;
        }
        Ok(answers)
    }
}

/// `api.points.pending.release`
pub struct ReleasePending;

impl Mutation for ReleasePending {
    type Endpoint = PendingRelease;
    type Prepared = Members;

    fn operation_id(request: &PendingReleaseRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<PendingReleaseRequest>]) -> Result<Members, Failure> {
        name_members(cx, batch.iter().map(|asked| asked.request.member_no.as_str())).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<PendingReleaseRequest>],
        members: &Members,
        out: &mut Outbox,
    ) -> Result<Vec<Result<PendingReleaseReply, Problem>>, Failure> {
        let judged: Vec<_> = batch
            .iter()
            .map(|asked| judge(members, &asked.request.member_no, &asked.request.by, &asked.request.reason))
            .map(|judged| judged.map_err(|why| if why.code == code::POINTS_LOT_UNKNOWN.code { code::POINTS_NO_REVIEW.into() } else { why }))
            .collect();
        let accounts = lock(tx, &judged).await?;
        // Reviews are a person's work, one after the other: so is this.
        let mut released = Vec::with_capacity(batch.len());
        for (asked, judged) in batch.iter().zip(judged) {
            let request = &asked.request;
            released.push(match judged {
                Ok(_) if request.document.contains('\0') => Err(code::POINTS_NO_REVIEW.into()),
                Ok(member) => match lot_changes::release(tx, member, request.store.as_str(), &request.document).await? {
                    Points::ZERO => Err(code::POINTS_NO_REVIEW.into()),
                    points => Ok((member, points)),
                },
                Err(problem) => Err(problem),
            });
        }
        let members: Vec<_> = released.iter().flatten().map(|(member, _)| member.0).collect();
        let due =
            if members.is_empty() { Vec::new() } else { activations::take_due(tx, &members, today(rules(cx, out)?.as_ref(), out)).await? };
        let accounts = activate(cx, tx, accounts, due, out).await?;
        let active = |member: &MemberId| accounts.get(member).map(|account| account.balance.active).unwrap_or_default();
        Ok(released
            .into_iter()
            .map(|found| found.map(|(member, released)| PendingReleaseReply { released, active: active(&member) }))
            .collect())
    }
}
