//! `api.points.lots.list`, `.extend`, `.revive`: lots, and what staff does with their ends.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use jifen_contracts::{
    Problem, code,
    endpoint::{
        LotChangeKind, LotsChanged, LotsExtend, LotsExtendRequest, LotsList, LotsReply, LotsRevive, LotsReviveRequest, MemberRequest, Staff,
    },
    event::RevivalCause,
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
    domain::{
        activity::{Done, MovedEnd},
        lot_change::{may_end_on, revives},
        lots::{LotPart, Lots as Parts},
    },
    handlers::ids,
    outbound,
    store::{
        accounts, entries,
        lot_changes::{self, NewChange},
        lots, reviews,
    },
    till::{rules, today},
};

/// Lots of one answer.
const MOST: i64 = 500;
/// Decisions of one answer.
const MOST_REVIEWS: i64 = 100;
/// Characters of a reason.
pub(super) const REASON: usize = 200;

/// `api.points.lots.list`
pub struct Lots;

impl Query for Lots {
    type Endpoint = LotsList;

    async fn answer(&self, cx: &Ctx, request: MemberRequest) -> Result<LotsReply, Problem> {
        let Some(account) = find_account(cx, &request.member_no).await? else {
            ask_member(cx, request).await?;
            return Ok(LotsReply { lots: Vec::new(), reviews: Vec::new() });
        };
        let lots = lot_changes::list(&cx.pool, account.member_id, MOST).await.map_err(unavailable)?;
        let reviews = reviews::list(&cx.pool, account.member_id, MOST_REVIEWS).await.map_err(unavailable)?;
        Ok(LotsReply { lots, reviews })
    }
}

/// Whom a request is about, if who makes it is somebody.
pub(super) fn judge(members: &Members, member_no: &str, by: &Staff) -> Result<MemberId, Problem> {
    staff(by)?;
    let member = named(members, member_no)?;
    if member.has_account { Ok(member.member_id) } else { Err(code::POINTS_LOT_UNKNOWN.into()) }
}

/// Locks the accounts of what can be done, in the order of members.
pub(super) async fn lock(tx: &mut PgConnection, judged: &[Result<MemberId, Problem>]) -> Result<accounts::Accounts, Failure> {
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
                text(&request.reason, REASON, "/reason")?;
                let member = judge(members, &request.member_no, &request.by)?;
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
                // What has ended is no longer to be extended, also where the job that ends it has not come yet.
                let live = |lot: &&LotPart| lot.points.is_positive() && lot.expires_on >= today;
                let is_live = |wanted: &uuid::Uuid| own.iter().filter(live).any(|lot| lot.lot_id == *wanted);
                if let Some(place) = request.lots.iter().position(|wanted| !is_live(wanted)) {
                    return Err(Problem::new(code::POINTS_LOT_UNKNOWN).at(format!("/lots/{place}")));
                }
                let wanted = own.iter().filter(live).filter(|lot| lot.expires_on < request.until);
                let wanted = wanted.filter(|lot| request.lots.is_empty() || request.lots.contains(&lot.lot_id));
                let extended: Vec<(MovedEnd, Points)> = wanted.map(|lot| (extension(lot, request.until), lot.points)).collect();
                // A later request of the batch finds what this one did: an end never moves back, and is told as it was.
                let moved = own.iter().map(|lot| match extended.iter().find(|(moved, _)| moved.lot_id == lot.lot_id) {
                    Some((moved, _)) => LotPart { expires_on: moved.after, ..lot.clone() },
                    None => lot.clone(),
                });
                *own = Parts::new(moved.collect());
                Ok((member_id, extended))
            });
            answers.push(extended.map(|(member_id, extended)| {
                let changed = extended.iter().map(|(moved, points)| lot_changes::changed(moved, *points)).collect();
                let staff = Some((request.by.staff_id.clone(), request.reason.clone()));
                let change = |(moved, _)| NewChange { member_id, moved, document: None, staff: staff.clone() };
                changes.extend(extended.into_iter().map(change));
                LotsChanged { lots: changed }
            }));
        }
        lot_changes::save(tx, &changes, out.now()).await?;
        Ok(answers)
    }
}

fn extension(lot: &LotPart, until: NaiveDate) -> MovedEnd {
    MovedEnd { lot_id: lot.lot_id, kind: LotChangeKind::Extension, before: lot.expires_on, after: until, added: Points::ZERO }
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
            .map(|asked| {
                text(&asked.request.reason, REASON, "/reason").and_then(|()| judge(members, &asked.request.member_no, &asked.request.by))
            })
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
                let account = accounts.get_mut(&member_id).filter(|_| !wanted.is_empty()).ok_or(code::POINTS_NOT_REVIVABLE)?;
                let mut done = Done::default();
                done.revive(account, &wanted, (until, rules.version), out.now(), &mut next_id);
                if let Some(revived) = outbound::revived(account, &done, (RevivalCause::Staff, None), rules.version, out.now()) {
                    out.event(&asked.cause, Some(account.sequence), &revived);
                }
                Ok((member_id, done))
            });
            answers.push(revived.map(|(member_id, done)| {
                let told = done.moved.iter().map(|moved| lot_changes::changed(moved, moved.added)).collect();
                let staff = Some((request.by.staff_id.clone(), request.reason.clone()));
                changes.extend(done.moved.into_iter().map(|moved| NewChange { member_id, moved, document: None, staff: staff.clone() }));
                moved.extend(done.revived.entries);
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
