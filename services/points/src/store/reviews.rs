//! Pending points that somebody has to look at, and what was decided on them. Read and changed under the accounts' locks.

use chrono::{DateTime, Utc};
use jifen_contracts::endpoint::{KeptReview, ReviewDecision, Staff};
use jifen_kernel::{MemberId, Points};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::entries::{source_of, word_of};
use crate::domain::review::UnderReview;

/// A decision that is to be kept.
pub struct NewReview {
    /// Whose points.
    pub member_id: MemberId,
    /// How it is kept.
    pub kept: KeptReview,
}

/// The lots of locked members that wait for somebody to look at them.
pub async fn load(tx: &mut PgConnection, members: &[Uuid]) -> Result<Vec<UnderReview>, Failure> {
    let rows = sqlx::query!(
        "select member_id, lot_id, source, store, document, points, business_date from pending_lot
         where member_id = any($1) and awaits_review order by member_id, lot_id",
        members
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = || BadRow { table: "pending_lot", key: row.lot_id.to_string(), what: "source" };
        Ok(UnderReview {
            member_id: MemberId(row.member_id),
            lot_id: row.lot_id,
            source: source_of(row.source.as_deref()).ok_or_else(bad)?,
            store: row.store,
            document: row.document,
            points: Points(row.points),
            business_date: row.business_date,
        })
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Nobody has to look at these lots any longer. Asks nothing for nothing.
pub async fn end(tx: &mut PgConnection, lots: &[(MemberId, Uuid)]) -> Result<(), Failure> {
    if lots.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update pending_lot set awaits_review = false where member_id = any($1) and lot_id = any($2)",
        &lots.iter().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &lots.iter().map(|(_, lot)| *lot).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps decisions, in their order. Asks nothing for nothing.
pub async fn keep(tx: &mut PgConnection, reviews: &[NewReview]) -> Result<(), Failure> {
    if reviews.is_empty() {
        return Ok(());
    }
    let each = || reviews.iter().map(|review| &review.kept);
    sqlx::query!(
        "insert into review (member_id, source, store, document, decision, points, released, reversed, staff_id, role, reason, note, at)
         select u.member_id, u.source, u.store, u.document, u.decision, u.points, u.released, u.reversed, u.staff_id, u.role, u.reason,
                u.note, u.at
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[],
                     $10::text[], $11::text[], $12::text[], $13::timestamptz[])
              with ordinality u(member_id, source, store, document, decision, points, released, reversed, staff_id, role, reason, note,
                                at, place)
         order by u.place",
        &reviews.iter().map(|review| review.member_id.0).collect::<Vec<_>>(),
        &each().map(|kept| word_of(kept.source)).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|kept| kept.store.clone()).collect::<Vec<_>>(),
        &each().map(|kept| kept.document.clone()).collect::<Vec<_>>(),
        &each().map(|kept| kept.decision.as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|kept| kept.points.0).collect::<Vec<_>>(),
        &each().map(|kept| kept.released.0).collect::<Vec<_>>(),
        &each().map(|kept| kept.reversed.0).collect::<Vec<_>>(),
        &each().map(|kept| kept.by.staff_id.clone()).collect::<Vec<_>>(),
        &each().map(|kept| kept.by.role.clone()).collect::<Vec<_>>(),
        &each().map(|kept| kept.reason.clone()).collect::<Vec<_>>(),
        &each().map(|kept| kept.note.clone()).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|kept| kept.at).collect::<Vec<DateTime<Utc>>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What was decided on a member's points, newest first.
pub async fn list(pool: &PgPool, member_id: MemberId, most: i64) -> Result<Vec<KeptReview>, Failure> {
    let rows = sqlx::query!(
        "select number, source, store, document, decision, points, released, reversed, staff_id, role, reason, note, at from review
         where member_id = $1 order by number desc limit $2",
        member_id.0,
        most
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = |what| BadRow { table: "review", key: row.number.to_string(), what };
        let decisions = [ReviewDecision::Released, ReviewDecision::Rejected];
        Ok(KeptReview {
            source: source_of(row.source.as_deref()).ok_or_else(|| bad("source"))?,
            store: row.store,
            document: row.document,
            decision: decisions.into_iter().find(|decision| decision.as_str() == row.decision).ok_or_else(|| bad("decision"))?,
            points: Points(row.points),
            released: Points(row.released),
            reversed: Points(row.reversed),
            by: Staff { staff_id: row.staff_id, role: row.role },
            reason: row.reason,
            note: row.note,
            at: row.at,
        })
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}
