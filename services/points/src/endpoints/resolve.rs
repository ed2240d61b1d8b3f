//! `api.points.hold.capture`, `.release`, `.extend`: what becomes of a hold, once.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    Problem, code,
    endpoint::{HoldCapture, HoldCaptureRequest, HoldExtend, HoldExtendRequest, HoldRelease, HoldReleaseRequest, HoldReply, HoldState},
    event::EntryKind,
};
use jifen_kernel::Points;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    hold::{problem, reply},
    members::{some_points, text},
};
use crate::{
    domain::{
        account::Account,
        hold::{Back, Hold, Moment, Refused, decide_capture, decide_release},
    },
    handlers::{activity::slide_spent, ids},
    outbound,
    store::{accruals::DocumentKey, holds, spent},
    till::{Books, rules, today},
};

type Answer = Result<HoldReply, Problem>;

/// Characters of a document's number.
const NUMBER: usize = 64;

/// The hold that a store names: another store's is none.
fn named(books: &Books, hold_id: Uuid, store: Option<&str>) -> Result<Hold, Problem> {
    let own = books.hold(hold_id).filter(|hold| store.is_none_or(|store| hold.store.as_str() == store));
    own.cloned().ok_or_else(|| Problem::new(code::HOLD_UNKNOWN).at("/hold_id"))
}

/// `api.points.hold.capture`
pub struct CaptureHold;

impl Mutation for CaptureHold {
    type Endpoint = HoldCapture;
    type Prepared = ();

    fn operation_id(request: &HoldCaptureRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<HoldCaptureRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<HoldCaptureRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Answer>, Failure> {
        let rules = rules(cx, out)?;
        let known = holds::load(tx, &batch.iter().map(|asked| asked.request.hold_id).collect::<Vec<_>>()).await?;
        // A void of the invoice waits here, or has been here.
        let key = |request: &HoldCaptureRequest| -> Option<DocumentKey> {
            let document = request.document.as_ref().filter(|document| text(document, NUMBER, "/document").is_ok())?;
            Some((known.get(&request.hold_id)?.store.to_string(), document.clone()))
        };
        let documents: BTreeSet<DocumentKey> = batch.iter().filter_map(|asked| key(&asked.request)).collect();
        let ended = if documents.is_empty() {
            BTreeSet::new()
        } else {
            spent::lock_forth(tx, &documents).await?;
            spent::load_ended(tx, &documents).await?
        };
        let mut books = Books::of_holds(tx, &known).await?;
        books.load_parts(tx, EntryKind::Hold, |hold| hold.state == HoldState::Open).await?;
        let mut next_id = ids(cx, out);
        let mut answers = Vec::with_capacity(batch.len());
        for asked in batch {
            let is_ended = key(&asked.request).is_some_and(|key| ended.contains(&key));
            let mut now = Moment { at: out.now(), today: today(&rules, out), next_id: &mut next_id };
            answers.push(capture(&mut books, asked, is_ended, &mut now, out)?);
        }
        books.save(tx, out).await?;
        // Spending is an activity.
        let paid = batch.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
        let document = |(asked, _): (&&Asked<HoldCaptureRequest>, _)| {
            let hold = known.get(&asked.request.hold_id)?;
            let document = asked.request.document.clone().unwrap_or_else(|| hold.hold_id.to_string());
            Some((hold.member_id, (hold.store.to_string(), document)))
        };
        slide_spent(tx, &paid.filter_map(document).collect::<Vec<_>>(), &rules, out).await?;
        Ok(answers)
    }
}

fn capture(
    books: &mut Books,
    asked: &Asked<HoldCaptureRequest>,
    is_ended: bool,
    now: &mut Moment<'_>,
    out: &mut Outbox,
) -> Result<Answer, Failure> {
    let request = &asked.request;
    let points = match read_capture(books, request, is_ended, now.at) {
        Ok(points) => points,
        Err(problem) => return Ok(Err(problem)),
    };
    let document = request.document.as_deref();
    let decided = books.decide_hold(request.hold_id, now, |account, lots, hold, parts, now| {
        decide_capture(account, lots, hold, parts, (points, document), now)
    })?;
    let (captured, back) = match decided {
        Ok(decided) => decided,
        Err(refused) => return Ok(Err(problem(refused))),
    };
    books.moved(captured);
    let (hold, account) = books.came_back(request.hold_id, &back)?;
    out.event(&asked.cause, Some(account.sequence), &outbound::till::captured(hold, account, &back, now.at));
    tell_ended((hold, account), &back, now.at, (&asked.cause, out));
    Ok(Ok(reply(hold, account)))
}

/// How many points are to be spent; refused what can't be, whatever the account holds.
fn read_capture(books: &Books, request: &HoldCaptureRequest, is_ended: bool, at: DateTime<Utc>) -> Result<Points, Problem> {
    if let Some(document) = &request.document {
        text(document, NUMBER, "/document")?;
    }
    let hold = named(books, request.hold_id, request.store.as_deref())?;
    let points = some_points(request.points.unwrap_or(hold.points), "/points")?;
    hold.ensure_open(at).map_err(problem)?;
    if books.is_frozen(hold.member_id) {
        return Err(problem(Refused::Frozen));
    }
    if is_ended {
        return Err(Problem::new(code::HOLD_DOCUMENT_VOIDED).at("/document"));
    }
    Ok(points)
}

/// `api.points.hold.release`
pub struct ReleaseHold;

impl Mutation for ReleaseHold {
    type Endpoint = HoldRelease;
    type Prepared = ();

    fn operation_id(request: &HoldReleaseRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<HoldReleaseRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<HoldReleaseRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Answer>, Failure> {
        let rules = rules(cx, out)?;
        let known = holds::load(tx, &batch.iter().map(|asked| asked.request.hold_id).collect::<Vec<_>>()).await?;
        let mut books = Books::of_holds(tx, &known).await?;
        books.load_parts(tx, EntryKind::Hold, |hold| hold.state == HoldState::Open).await?;
        let mut next_id = ids(cx, out);
        let mut answers = Vec::with_capacity(batch.len());
        for asked in batch {
            let mut now = Moment { at: out.now(), today: today(&rules, out), next_id: &mut next_id };
            let request = &asked.request;
            let open = named(&books, request.hold_id, request.store.as_deref());
            if let Err(refused) = open.and_then(|hold| hold.ensure_open(now.at).map_err(problem)) {
                answers.push(Err(refused));
                continue;
            }
            let (hold, account) = release(&mut books, request.hold_id, HoldState::Released, &mut now, (&asked.cause, out))?;
            answers.push(Ok(reply(hold, account)));
        }
        books.save(tx, out).await?;
        Ok(answers)
    }
}

/// Gives an open hold back, and announces it.
pub fn release<'a>(
    books: &'a mut Books,
    hold_id: Uuid,
    state: HoldState,
    now: &mut Moment<'_>,
    (cause, out): (&Cause, &mut Outbox),
) -> Result<(&'a Hold, &'a Account), Failure> {
    let released: Result<Back, std::convert::Infallible> =
        books.decide_hold(hold_id, now, |account, lots, hold, parts, now| Ok(decide_release(account, lots, hold, parts, state, now)))?;
    let Ok(back) = released;
    let (hold, account) = books.came_back(hold_id, &back)?;
    out.event(cause, Some(account.sequence), &outbound::till::released(hold, account, &back, now.at));
    tell_ended((hold, account), &back, now.at, (cause, out));
    Ok((hold, account))
}

/// Announces what ended as it came back.
pub fn tell_ended((hold, account): (&Hold, &Account), back: &Back, at: DateTime<Utc>, (cause, out): (&Cause, &mut Outbox)) {
    for expired in outbound::till::ended(hold, account, back, at) {
        out.event(cause, Some(account.sequence), &expired);
    }
}

/// `api.points.hold.extend`
pub struct ExtendHold;

impl Mutation for ExtendHold {
    type Endpoint = HoldExtend;
    type Prepared = ();

    fn operation_id(request: &HoldExtendRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<HoldExtendRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<HoldExtendRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Answer>, Failure> {
        let rules = rules(cx, out)?;
        let limits = &rules.program.redemption;
        let known = holds::load(tx, &batch.iter().map(|asked| asked.request.hold_id).collect::<Vec<_>>()).await?;
        let mut books = Books::of_holds(tx, &known).await?;
        let mut next_id = ids(cx, out);
        let mut answers = Vec::with_capacity(batch.len());
        for asked in batch {
            let request = &asked.request;
            let hold_id = request.hold_id;
            if let Err(refused) = named(&books, hold_id, request.store.as_deref()) {
                answers.push(Err(refused));
                continue;
            }
            let frozen = books.hold(hold_id).is_some_and(|hold| books.is_frozen(hold.member_id));
            let mut now = Moment { at: out.now(), today: today(&rules, out), next_id: &mut next_id };
            let seconds = request.expires_in_s.unwrap_or(limits.hold_s);
            let extended = books.decide_hold(hold_id, &mut now, |_, _, hold, _, now| {
                hold.ensure_open(now.at)?;
                if frozen {
                    return Err(Refused::Frozen);
                }
                let until = Hold::decide_expiry(hold.created_at, now.at, seconds, limits.hold_longest_s)?;
                hold.expires_at = hold.expires_at.max(until);
                Ok(())
            })?;
            answers.push(match extended {
                Ok(()) => books.came_back(hold_id, &Back::default()).map(|(hold, account)| Ok(reply(hold, account)))?,
                Err(refused) => Err(problem(refused)),
            });
        }
        books.save(tx, out).await?;
        Ok(answers)
    }
}
