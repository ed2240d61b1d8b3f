//! `api.points.pending.release`, `.reject`: what somebody decides on pending points that have to be looked at, each decision kept.

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::{
    Problem, code,
    endpoint::{
        KeptReview, PendingReject, PendingRejectReply, PendingRejectRequest, PendingRelease, PendingReleaseReply, PendingReleaseRequest,
        ReviewDecision, Staff,
    },
    event::{AccrualSource, CorrectionKind},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    lots::{REASON, judge, lock},
    members::{Members, name_members, text},
};
use crate::{
    domain::{
        account::Account,
        activation::PendingEntry,
        correct::{Change, Making, Taken, decide_correction},
        net::{Correcting, Net},
        review::{UnderReview, decide_net, take_rest},
    },
    handlers::{correct::Books, ids, member_activated::activate},
    outbound,
    store::{
        accounts,
        accruals::DocumentKey,
        activations::{self, PendingLot},
        corrections::{self, Left, Standing},
        entries,
        reviews::{self, NewReview},
    },
    till::{rules, today},
};

/// A document, as a request names it.
type Named<'a> = (AccrualSource, &'a StoreCode, &'a str);
/// What a request is about: whose, and the lots that wait there.
type Wanted = Result<(MemberId, Vec<UnderReview>), Problem>;

/// Who may decide, on what: of who has no account nothing waits.
fn judge_review(members: &Members, member_no: &str, by: &Staff, document: &str) -> Result<MemberId, Problem> {
    let nothing = |why: Problem| if why.code == code::POINTS_LOT_UNKNOWN.code { code::POINTS_NO_REVIEW.into() } else { why };
    let member = judge(members, member_no, by).map_err(nothing)?;
    if document.contains('\0') { Err(code::POINTS_NO_REVIEW.into()) } else { Ok(member) }
}

/// Takes the lots that requests name, each once: of two that name the same document the first finds them.
async fn take_waiting<'a>(
    tx: &mut PgConnection,
    requests: impl Iterator<Item = (Result<MemberId, Problem>, Named<'a>)>,
    accounts: &accounts::Accounts,
) -> Result<Vec<Wanted>, Failure> {
    let members: Vec<Uuid> = accounts.keys().map(|member| member.0).collect();
    let mut waiting = if members.is_empty() { Vec::new() } else { reviews::load(tx, &members).await? };
    let mut take = |(judged, (source, store, document)): (Result<MemberId, Problem>, Named<'a>)| {
        let member_id = judged?;
        let is_named = |lot: &UnderReview| {
            lot.member_id == member_id && lot.source == source && lot.store == store.as_str() && lot.document == document
        };
        let (taken, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut waiting).into_iter().partition(is_named);
        waiting = rest;
        if taken.is_empty() { Err(code::POINTS_NO_REVIEW.into()) } else { Ok((member_id, taken)) }
    };
    Ok(requests.map(&mut take).collect())
}

fn points_of(lots: &[UnderReview]) -> Points {
    lots.iter().map(|lot| lot.points).sum()
}

/// Points of `lots` among those that wait for nothing any longer.
fn released_of(lots: &[UnderReview], due: &[PendingLot]) -> Points {
    due.iter().filter(|due| lots.iter().any(|lot| lot.lot_id == due.lot_id)).map(|due| due.points).sum()
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
        let judged = |request: &PendingReleaseRequest| {
            text(&request.reason, REASON, "/reason")?;
            judge_review(members, &request.member_no, &request.by, &request.document)
        };
        let judged: Vec<_> = batch.iter().map(|asked| judged(&asked.request)).collect();
        let accounts = lock(tx, &judged).await?;
        let named = batch.iter().map(|asked| (asked.request.source, &asked.request.store, asked.request.document.as_str()));
        let wanted = take_waiting(tx, judged.into_iter().zip(named), &accounts).await?;
        let lots: Vec<_> = wanted.iter().flatten().flat_map(|(_, lots)| lots).map(|lot| (lot.member_id, lot.lot_id)).collect();
        reviews::end(tx, &lots).await?;
        let due = take_due(cx, tx, &lots, out).await?;
        let review = |(asked, wanted): (&&Asked<PendingReleaseRequest>, &Wanted)| {
            let (request, (member_id, lots)) = (&asked.request, wanted.as_ref().ok()?);
            let kept = KeptReview {
                source: request.source,
                store: request.store.to_string(),
                document: request.document.clone(),
                decision: ReviewDecision::Released,
                points: points_of(lots),
                released: released_of(lots, &due),
                reversed: Points::ZERO,
                by: request.by.clone(),
                reason: request.reason.clone(),
                note: None,
                at: out.now(),
            };
            Some(NewReview { member_id: *member_id, kept })
        };
        reviews::keep(tx, &batch.iter().zip(&wanted).filter_map(review).collect::<Vec<_>>()).await?;
        let accounts = activate(cx, tx, accounts, due, out).await?;
        let active = |member: &MemberId| accounts.get(member).map(|account| account.balance.active).unwrap_or_default();
        let reply =
            |(member, lots): (MemberId, Vec<UnderReview>)| PendingReleaseReply { released: points_of(&lots), active: active(&member) };
        Ok(wanted.into_iter().map(|found| found.map(reply)).collect())
    }
}

/// Takes what waits for nothing any longer, of the members of these lots. Asks nothing for nothing.
async fn take_due(cx: &Ctx, tx: &mut PgConnection, lots: &[(MemberId, Uuid)], out: &Outbox) -> Result<Vec<PendingLot>, Failure> {
    let members: BTreeSet<Uuid> = lots.iter().map(|(member, _)| member.0).collect();
    if members.is_empty() {
        return Ok(Vec::new());
    }
    activations::take_due(tx, &members.into_iter().collect::<Vec<_>>(), today(rules(cx, out)?.as_ref(), out)).await
}

/// `api.points.pending.reject`
pub struct RejectPending;

/// What rejections take, account by account.
struct Rejecting {
    accounts: accounts::Accounts,
    standing: BTreeMap<DocumentKey, Standing>,
    books: Books,
    pending: BTreeMap<MemberId, Vec<PendingEntry>>,
    taken: Vec<Taken>,
    left: BTreeMap<DocumentKey, Left>,
}

fn judge_rejection(rules: &AppliedProgram, members: &Members, request: &PendingRejectRequest) -> Result<MemberId, Problem> {
    if rules.program.adjustments.reason(&request.reason).is_none() {
        return Err(Problem::new(code::ADJUSTMENT_UNKNOWN_REASON).at("/reason"));
    }
    if let Some(note) = &request.note {
        text(note, REASON, "/note")?;
    }
    judge_review(members, &request.member_no, &request.by, &request.document)
}

impl Rejecting {
    /// Takes a document's lots back; gives how many of their points are gone.
    fn take(
        &mut self,
        cx: &Ctx,
        (member_id, lots): (MemberId, &[UnderReview]),
        cause: &Cause,
        next_id: &mut dyn FnMut() -> Uuid,
        out: &mut Outbox,
    ) -> Result<Points, Failure> {
        let Some(first) = lots.first() else { return Ok(Points::ZERO) };
        let account = self.accounts.get_mut(&member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
        let refused: BTreeSet<Uuid> = lots.iter().map(|lot| lot.lot_id).collect();
        let by = Correcting { kind: CorrectionKind::Rejection, number: first.document.clone() };
        let mut making = Making { at: out.now(), next_id };
        let key = (first.store.clone(), first.document.clone());
        let found = self.standing.get(&key).filter(|found| first.source == AccrualSource::Invoice && found.member_id == member_id);
        let mut taken = match found {
            Some(found) => {
                let earlier = self.left.get(&key).or(found.left.as_ref()).map(|left| left.net.clone());
                let before = earlier.map_or_else(|| of_posted(cx, found), Ok)?;
                let given = self.books.given.entry(key.clone()).or_default();
                let (pools, grant) = self.books.members.entry(member_id).or_default();
                match decide_net(&before, given, &refused) {
                    Some(after) => {
                        let change = Change { before: &before, after: &after, keep: &found.keep, grants: &self.books.grants, by: &by };
                        let taken = decide_correction(account, pools, given, grant.as_mut(), &change, &mut making);
                        self.left.insert(key, Left { net: after, by: by.clone() });
                        taken
                    }
                    None => Vec::new(),
                }
            }
            None => Vec::new(),
        };
        let gone = |entry: Uuid| -> Points {
            taken
                .iter()
                .filter(|taken| taken.of.movement.entry_id == entry)
                .flat_map(|taken| &taken.entries)
                .map(|entry| entry.movement.points)
                .sum()
        };
        let of_lots = self.pending.get(&member_id).into_iter().flatten().filter(|entry| refused.contains(&entry.movement.lot_id));
        let rest: Vec<PendingEntry> = of_lots
            .map(|entry| {
                let mut rest = entry.clone();
                rest.movement.points = rest.movement.points - gone(entry.movement.entry_id);
                rest
            })
            .collect();
        let more = take_rest(account, &rest, &by, &mut making);
        let (pools, _) = self.books.members.entry(member_id).or_default();
        for entry in more.iter().flat_map(|taken| &taken.entries) {
            pools.pending.entry(entry.movement.lot_id).and_modify(|held| *held = *held - entry.movement.points);
        }
        taken.extend(more);
        let out_of_lots = taken.iter().flat_map(|taken| &taken.entries).map(|entry| &entry.movement);
        let reversed = out_of_lots.filter(|movement| refused.contains(&movement.lot_id)).map(|movement| movement.points).sum();
        if let Some(event) = outbound::rejected(account, first, &by, &taken, out.now()) {
            out.event(cause, Some(account.sequence), &event);
        }
        self.taken.extend(taken);
        Ok(reversed)
    }
}

fn of_posted(cx: &Ctx, found: &Standing) -> Result<Net, Failure> {
    let applied = cx.programs.get(found.program_version).ok_or_else(|| Failure::transient("a program isn't known yet"))?;
    Ok(Net::of_posted(&found.posted, &applied.program.earn))
}

impl Mutation for RejectPending {
    type Endpoint = PendingReject;
    type Prepared = Members;

    fn operation_id(request: &PendingRejectRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<PendingRejectRequest>]) -> Result<Members, Failure> {
        name_members(cx, batch.iter().map(|asked| asked.request.member_no.as_str())).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<PendingRejectRequest>],
        members: &Members,
        out: &mut Outbox,
    ) -> Result<Vec<Result<PendingRejectReply, Problem>>, Failure> {
        let rules = rules(cx, out)?;
        let judged: Vec<_> = batch.iter().map(|asked| judge_rejection(&rules, members, &asked.request)).collect();
        // Load: invoices, then accounts, as every correction does; then what belongs to them.
        let of_invoices =
            batch.iter().zip(&judged).filter(|(asked, judged)| judged.is_ok() && asked.request.source == AccrualSource::Invoice);
        let invoices = of_invoices.map(|(asked, _)| (asked.request.store.to_string(), asked.request.document.clone()));
        let invoices: Vec<DocumentKey> = invoices.collect::<BTreeSet<_>>().into_iter().collect();
        let standing = if invoices.is_empty() { BTreeMap::new() } else { corrections::load_standing(tx, &invoices).await? };
        let accounts = lock(tx, &judged).await?;
        let named = batch.iter().map(|asked| (asked.request.source, &asked.request.store, asked.request.document.as_str()));
        let wanted = take_waiting(tx, judged.into_iter().zip(named), &accounts).await?;
        let lots: Vec<_> = wanted.iter().flatten().flat_map(|(_, lots)| lots).map(|lot| (lot.member_id, lot.lot_id)).collect();
        if lots.is_empty() {
            return Ok(wanted.into_iter().map(|found| found.and(Err(code::POINTS_NO_REVIEW.into()))).collect());
        }
        let books = Books::load(tx, &accounts, &invoices).await?;
        let taken = wanted.iter().flatten().flat_map(|(_, lots)| lots);
        let keys = taken.map(|lot| ((lot.store.clone(), lot.document.clone()), lot.lot_id));
        let pending = entries::load_pending(tx, &keys.collect::<Vec<_>>()).await?;
        // Decide.
        let mut next_id = ids(cx, out);
        let mut rejecting = Rejecting { accounts, standing, books, pending, taken: Vec::new(), left: BTreeMap::new() };
        let mut reversed = Vec::with_capacity(batch.len());
        for (asked, wanted) in batch.iter().zip(&wanted) {
            reversed.push(match wanted {
                Ok((member_id, lots)) => rejecting.take(cx, (*member_id, lots), &asked.cause, &mut next_id, out)?,
                Err(_) => Points::ZERO,
            });
        }
        // Save. A first spending that other invoices keep alive waits for nobody any longer.
        let Rejecting { accounts, books, taken, left, .. } = rejecting;
        books.save(tx, &accounts, &taken).await?;
        if !left.is_empty() {
            corrections::save_left(tx, &left.into_iter().collect::<Vec<_>>()).await?;
        }
        reviews::end(tx, &lots).await?;
        let due = take_due(cx, tx, &lots, out).await?;
        let review = |((asked, wanted), reversed): ((&&Asked<PendingRejectRequest>, &Wanted), &Points)| {
            let (request, (member_id, lots)) = (&asked.request, wanted.as_ref().ok()?);
            let kept = KeptReview {
                source: request.source,
                store: request.store.to_string(),
                document: request.document.clone(),
                decision: ReviewDecision::Rejected,
                points: points_of(lots),
                released: released_of(lots, &due),
                reversed: *reversed,
                by: request.by.clone(),
                reason: request.reason.clone(),
                note: request.note.clone(),
                at: out.now(),
            };
            Some(NewReview { member_id: *member_id, kept })
        };
        reviews::keep(tx, &batch.iter().zip(&wanted).zip(&reversed).filter_map(review).collect::<Vec<_>>()).await?;
        accounts::save(tx, &accounts).await?;
        let accounts = activate(cx, tx, accounts, due, out).await?;
        let pending = |member: &MemberId| accounts.get(member).map(|account: &Account| account.balance.pending).unwrap_or_default();
        let reply =
            |(found, rejected): (Wanted, Points)| found.map(|(member, _)| PendingRejectReply { rejected, pending: pending(&member) });
        Ok(wanted.into_iter().zip(reversed).map(reply).collect())
    }
}
