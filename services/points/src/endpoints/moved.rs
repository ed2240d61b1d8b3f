//! How entries that move points of another one came about: an activation or a lapse moves what is left of it, a reversal takes what
//! the invoice's net amounts don't give any longer. Other movements are as large as somebody asked for.

use std::collections::BTreeMap;

use jifen_contracts::{
    Problem, code,
    endpoint::ExplainReply,
    event::{AccrualSource, CorrectionKind, EntryKind},
};
use jifen_kernel::{MemberId, Points};
use jifen_runtime::{Ctx, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    explain::{invoice, reply},
    unavailable,
};
use crate::{
    domain::correct::{Change, Given, bonus_due},
    store::{
        accruals::DocumentKey,
        corrections,
        direct::{self, Posted},
        given,
        listing::{self, ListedEntry},
    },
};

/// Of an entry that gives nothing by itself.
pub async fn explain_moved(cx: &Ctx, member_id: MemberId, entry: &ListedEntry) -> Result<ExplainReply, Problem> {
    let points = entry.posted.points;
    let Some(of_entry) = entry.of_entry else {
        return Ok(ExplainReply {
            business_date: entry.posted_at.date_naive(),
            ..reply(entry.source, &entry.store, &entry.document, points, points)
        });
    };
    let recomputed = match entry.posted.kind {
        EntryKind::Activation | EntryKind::Lapse => rest_before(cx, member_id, entry, of_entry).await.map_err(unavailable)?,
        // What somebody refused goes as a whole.
        EntryKind::Reversal
            if entry.posted.rule.split(':').next() == Some(CorrectionKind::Rejection.as_str())
                && rest_before(cx, member_id, entry, of_entry).await.map_err(unavailable)? == points =>
        {
            points
        }
        EntryKind::Reversal => {
            let is_due = is_due(cx, member_id, entry, of_entry).await.map_err(unavailable)?;
            if is_due { points } else { Points::ZERO }
        }
        _ => points,
    };
    let (business_date, program_version) = match entry.source {
        AccrualSource::Invoice if matches!(entry.posted.kind, EntryKind::Activation | EntryKind::Lapse | EntryKind::Reversal) => {
            let accrual = invoice(cx, member_id, &entry.store, &entry.document).await?;
            (accrual.business_date, accrual.program_version)
        }
        AccrualSource::Invoice | AccrualSource::Import => (entry.posted_at.date_naive(), 0),
        source => {
            let found = direct::find(&cx.pool, member_id, source, &entry.store, &entry.document).await.map_err(unavailable)?;
            let Posted { accrual, .. } = found.ok_or(code::POINTS_ENTRY_UNKNOWN)?;
            (accrual.business_date, accrual.program_version)
        }
    };
    Ok(ExplainReply {
        business_date,
        program_version,
        of_entry: Some(of_entry),
        ..reply(entry.source, &entry.store, &entry.document, points, recomputed)
    })
}

/// What was left of another entry before this one.
async fn rest_before(cx: &Ctx, member_id: MemberId, entry: &ListedEntry, of_entry: Uuid) -> Result<Points, Failure> {
    let moved = listing::find(&cx.pool, member_id, of_entry).await?;
    let taken = listing::taken_before(&cx.pool, member_id, of_entry, entry.sequence).await?;
    Ok(moved.map_or(Points::ZERO, |moved| moved.posted.points) - taken)
}

/// What is left of the invoice's entries is what its net amounts give: so all that was taken is right.
async fn is_due(cx: &Ctx, member_id: MemberId, entry: &ListedEntry, of_entry: Uuid) -> Result<bool, Failure> {
    let mut connection = cx.pool.acquire().await?;
    let key = (entry.store.clone(), entry.document.clone());
    if entry.source == AccrualSource::Grant {
        return is_grant_due(cx, &mut connection, member_id, &key, of_entry).await;
    }
    let Some((left, keep)) = corrections::find_left(&mut connection, member_id, &key).await? else {
        // Another invoice's correction took the first spending back: all of it.
        let moved = listing::find(&cx.pool, member_id, of_entry).await?;
        let taken = listing::taken_before(&cx.pool, member_id, of_entry, i64::MAX).await?;
        return Ok(moved.is_some_and(|moved| moved.posted.kind == EntryKind::FirstSpending && moved.posted.points == taken));
    };
    let given = given::load(&mut connection, AccrualSource::Invoice, std::slice::from_ref(&key)).await?.remove(&key).unwrap_or_default();
    let is_base = |given: &&Given| given.movement.kind == EntryKind::Accrual;
    let base: Points = given.iter().filter(is_base).map(Given::rest).sum();
    let grants = BTreeMap::new();
    let change = Change { before: &left.net, after: &left.net, keep: &keep, grants: &grants, by: &left.by };
    let due = |given: &Given| given.rest() == bonus_due(given, &change);
    let of_bonus = given.iter().find(|given| given.movement.entry_id == of_entry && given.movement.kind == EntryKind::Bonus);
    Ok(base == left.net.base && of_bonus.is_none_or(due))
}

/// What is left of a campaign's grant is what the net amounts of the invoice that it rests on give.
async fn is_grant_due(cx: &Ctx, tx: &mut PgConnection, member_id: MemberId, key: &DocumentKey, of_entry: Uuid) -> Result<bool, Failure> {
    let found = direct::find(&cx.pool, member_id, AccrualSource::Grant, &key.0, &key.1).await?;
    let Some(about) = found.and_then(|found| found.accrual.about) else { return Ok(false) };
    let invoice = (key.0.clone(), about);
    let Some((left, keep)) = corrections::find_left(tx, member_id, &invoice).await? else { return Ok(false) };
    let (_, bonuses) = direct::load_grants_on(tx, std::slice::from_ref(&invoice)).await?.remove(key).unwrap_or_default();
    let given = given::load(tx, AccrualSource::Grant, std::slice::from_ref(key)).await?.remove(key).unwrap_or_default();
    let grants = given.iter().map(|given| (given.movement.entry_id, bonuses.clone())).collect();
    let change = Change { before: &left.net, after: &left.net, keep: &keep, grants: &grants, by: &left.by };
    let of = given.iter().find(|given| given.movement.entry_id == of_entry);
    Ok(of.is_some_and(|given| given.rest() == bonus_due(given, &change)))
}
