//! `api.points.entry.explain`: an entry, or a document that earned nothing, computed again under its own rules.

use std::{collections::BTreeSet, sync::Arc};

use jifen_contracts::{
    Problem, code,
    code::Text,
    endpoint::{EntryExplain, ExplainReply, ExplainRequest, MemberRequest},
    event::{AccrualSource, EntryKind},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, Money, Points};
use jifen_runtime::{Ctx, Failure, Query};

use super::{
    ask_member, find_account, listed_entry,
    moved::explain_moved,
    unavailable,
    why::{why, why_outcome},
};
use crate::{
    domain::explain::{recompute_base, recompute_bonus, recompute_direct},
    store::{
        accruals::{self, PostedAccrual},
        direct::{self, Posted},
        listing::{self, ListedEntry},
        waiting,
    },
};

/// `api.points.entry.explain`
pub struct Explain;

impl Query for Explain {
    type Endpoint = EntryExplain;

    async fn answer(&self, cx: &Ctx, request: ExplainRequest) -> Result<ExplainReply, Problem> {
        let Some(account) = find_account(cx, &request.member_no).await? else {
            ask_member(cx, MemberRequest { member_no: request.member_no }).await?;
            return Err(code::POINTS_ENTRY_UNKNOWN.into());
        };
        let member_id = account.member_id;
        let Some(entry_id) = request.entry_id else {
            let (Some(store), Some(document)) = (request.store, request.document) else {
                return Err(Problem::new(code::REQUEST_MALFORMED).detail("either entry_id, or store and document").at("/entry_id"));
            };
            if document.contains('\0') {
                return Err(code::POINTS_ENTRY_UNKNOWN.into());
            }
            let source = request.source.unwrap_or_default();
            return explain_document(cx, member_id, source, store.as_str(), &document).await;
        };
        let entry = listing::find(&cx.pool, member_id, entry_id).await.map_err(unavailable)?.ok_or(code::POINTS_ENTRY_UNKNOWN)?;
        let mut reply = match entry.source {
            _ if entry.posted.kind == EntryKind::Expiry => explain_end(cx, member_id, &entry).await?,
            _ if !is_accrual(entry.posted.kind) => explain_moved(cx, member_id, &entry).await?,
            AccrualSource::Invoice => explain_invoice(cx, member_id, &entry).await?,
            source => explain_document(cx, member_id, source, &entry.store, &entry.document).await?,
        };
        reply.why = why(&entry);
        reply.entry = Some(listed_entry(entry));
        Ok(reply)
    }
}

fn program(cx: &Ctx, version: u32) -> Result<Arc<AppliedProgram>, Problem> {
    cx.programs.get(version).ok_or_else(|| Problem::new(code::SERVICE_UNAVAILABLE).detail("the program isn't known yet"))
}

pub(super) fn reply(source: AccrualSource, store: &str, document: &str, points: Points, recomputed: Points) -> ExplainReply {
    ExplainReply {
        source,
        store: store.to_owned(),
        document: document.to_owned(),
        business_date: chrono::NaiveDate::default(),
        program_version: 0,
        entry: None,
        of_entry: None,
        paid: None,
        rate: None,
        base: None,
        caps: Vec::new(),
        outcome: None,
        limit: None,
        counted: None,
        budget_left: None,
        points,
        recomputed,
        equal: points == recomputed,
        why: Text::new("", ""),
    }
}

/// Gives points; the other kinds move them.
fn is_accrual(kind: EntryKind) -> bool {
    use EntryKind::{Accrual, Bonus, FirstSpending, Interaction, Partner};
    matches!(kind, Accrual | FirstSpending | Bonus | Interaction | Partner)
}

/// An entry of an invoice.
async fn explain_invoice(cx: &Ctx, member_id: MemberId, entry: &ListedEntry) -> Result<ExplainReply, Problem> {
    let accrual = invoice(cx, member_id, &entry.store, &entry.document).await?;
    let applied = program(cx, accrual.program_version)?;
    let again = recompute_base(&accrual.categories, &applied.program.earn, accrual.daily_left);
    let category = entry.posted.category.as_ref();
    let points = entry.posted.points;
    let recomputed = match entry.posted.kind {
        EntryKind::Accrual => again.of(category),
        EntryKind::FirstSpending => applied.program.earn.first_spending,
        _ => {
            // The base that it multiplied must be what is computed again, too.
            let base = entry.base.map(|_| again.of(category));
            recompute_bonus(entry.rate.as_deref(), base, &entry.posted.rule, points, &applied)
        }
    };
    Ok(ExplainReply {
        business_date: accrual.business_date,
        program_version: accrual.program_version,
        paid: entry.paid_fen.map(Money::from_fen),
        rate: entry.rate.clone(),
        base: entry.base.map(Points),
        caps: if entry.posted.kind == EntryKind::Accrual { again.caps } else { Vec::new() },
        ..reply(entry.source, &entry.store, &entry.document, points, recomputed)
    })
}

pub(super) async fn invoice(cx: &Ctx, member_id: MemberId, store: &str, document: &str) -> Result<PostedAccrual, Problem> {
    let found: Result<_, Failure> = accruals::find(&cx.pool, member_id, store, document).await;
    found.map_err(unavailable)?.ok_or_else(|| code::POINTS_ENTRY_UNKNOWN.into())
}

/// What ended: all that the lot's earlier entries had left of it; or, of what came back when its lot was over, that alone, since the rest
/// is the daily job's.
async fn explain_end(cx: &Ctx, member_id: MemberId, entry: &ListedEntry) -> Result<ExplainReply, Problem> {
    let left = listing::left_before(&cx.pool, member_id, entry).await.map_err(unavailable)?;
    let recomputed = if left.came_back == entry.posted.points { left.came_back } else { left.all };
    let version = entry.posted.rule.split_once('@').and_then(|(_, version)| version.parse().ok());
    Ok(ExplainReply {
        business_date: entry.expires_on,
        program_version: version.unwrap_or_default(),
        ..reply(entry.source, &entry.store, &entry.document, entry.posted.points, recomputed)
    })
}

/// A whole document: an invoice's base, or an accrual without one.
async fn explain_document(
    cx: &Ctx,
    member_id: MemberId,
    source: AccrualSource,
    store: &str,
    document: &str,
) -> Result<ExplainReply, Problem> {
    if source == AccrualSource::Invoice {
        let accrual = invoice(cx, member_id, store, document).await?;
        let applied = program(cx, accrual.program_version)?;
        let again = recompute_base(&accrual.categories, &applied.program.earn, accrual.daily_left);
        let sum = |categories: &[jifen_contracts::event::CategoryBase]| categories.iter().map(|category| category.base).sum();
        return Ok(ExplainReply {
            business_date: accrual.business_date,
            program_version: accrual.program_version,
            paid: Some(accrual.categories.iter().map(|category| category.paid).sum()),
            why: Text::new("结算单基础积分", "the base points of an invoice"),
            caps: again.caps,
            ..reply(source, store, document, sum(&accrual.categories), sum(&again.categories))
        });
    }
    let found = direct::find(&cx.pool, member_id, source, store, document).await.map_err(unavailable)?;
    let Posted { accrual, decision } = found.ok_or(code::POINTS_ENTRY_UNKNOWN)?;
    let applied = program(cx, accrual.program_version)?;
    let rule = applied.program.earn.interactions.iter().find(|rule| accrual.is_interaction() && rule.kind.as_str() == accrual.subject);
    let partner = applied.program.earn.partners.iter().find(|partner| accrual.is_partners() && partner.code == accrual.subject);
    let order = match (rule, &accrual.about) {
        (Some(rule), Some(about)) if rule.within_days.is_some() => {
            let key = (store.to_owned(), about.clone());
            let mut connection = cx.pool.acquire().await.map_err(|error| unavailable(error.into()))?;
            waiting::load_orders(&mut connection, &BTreeSet::from([key.clone()])).await.map_err(unavailable)?.remove(&key)
        }
        _ => None,
    };
    let again = recompute_direct(&accrual, &decision, order, &applied);
    Ok(ExplainReply {
        business_date: accrual.business_date,
        program_version: accrual.program_version,
        paid: accrual.amount,
        rate: partner.map(|partner| partner.rate.to_string()),
        outcome: Some(decision.outcome.as_str().to_owned()),
        limit: rule.map(|rule| rule.limit),
        counted: decision.counted,
        budget_left: decision.budget_left,
        equal: decision == again,
        why: why_outcome(decision.outcome),
        ..reply(source, store, document, decision.points, again.points)
    })
}
