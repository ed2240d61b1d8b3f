//! Codes on their way to members: counted, drawn, kept as a keyed hash, and published sealed for the one service that sends them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use jifen_contracts::{
    KeyedHash,
    event::{CodePurpose, MemberCodeIssued},
};
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;

use super::Rules;
use crate::{
    domain::{Span, code_of, count_code, spans_of},
    store::codes::{self, KeptCode, NewCode},
};

/// The service that sends codes.
const SENDER: &str = "notification";

/// A code that is wanted.
pub struct Wish<'a> {
    /// What asked for it.
    pub cause: &'a Cause,
    /// Whose it shall be: a new member, or one who is locked.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store that causes it, whose codes are counted.
    pub store: StoreCode,
    /// The phone, hashed.
    pub phone: KeyedHash,
}

/// Issues codes in the order of the wishes. Answers until when each holds, or after how many seconds to ask again. A member's
/// earlier code is void then.
pub async fn issue(
    cx: &Ctx,
    tx: &mut PgConnection,
    rules: &Rules,
    wishes: &[Wish<'_>],
    out: &mut Outbox,
) -> Result<Vec<Result<DateTime<Utc>, u64>>, Failure> {
    if wishes.is_empty() {
        return Ok(Vec::new());
    }
    let (membership, zone) = (&rules.program().membership, rules.program().time_zone());
    let spans: Vec<_> = wishes.iter().map(|wish| spans_of(&wish.phone, &wish.store, membership, rules.now, zone)).collect();
    let all: BTreeSet<Span> = spans.iter().flatten().map(|(span, ..)| span.clone()).collect();
    let mut counts = codes::load_counts(tx, &all.into_iter().collect::<Vec<_>>()).await?;
    let not_after = rules.now + Duration::minutes(membership.code_minutes.into());
    let mut new: BTreeMap<MemberId, NewCode> = BTreeMap::new();
    let mut answers = Vec::with_capacity(wishes.len());
    for (wish, spans) in wishes.iter().zip(&spans) {
        let counted = count_code(&mut counts, spans, rules.now);
        answers.push(counted.map(|()| not_after));
        if counted.is_err() {
            continue;
        }
        let code = draw(cx);
        let mut salt = [0; 16];
        cx.ids.fill(&mut salt);
        let hash = hash(cx, wish.member_id, &salt, &code);
        let attempts = i32::try_from(membership.code_attempts).unwrap_or(i32::MAX);
        new.insert(wish.member_id, NewCode { member_id: wish.member_id, salt, hash, not_after, attempts });
        let event = MemberCodeIssued {
            member_id: wish.member_id,
            member_no: wish.member_no.clone(),
            store: wish.store.clone(),
            purpose: CodePurpose::Activation,
            code_sealed: cx.seal_to(SENDER).seal_text(&cx.ids, code.as_bytes(), &MemberCodeIssued::bound(wish.member_id)),
            not_after,
            at: rules.now,
        };
        out.event(wish.cause, None, &event);
    }
    if !new.is_empty() {
        codes::save_counts(tx, &counts).await?;
        codes::save_codes(tx, &new.into_values().collect::<Vec<_>>(), rules.now).await?;
    }
    Ok(answers)
}

fn draw(cx: &Ctx) -> String {
    loop {
        let mut random = [0; 4];
        cx.ids.fill(&mut random);
        if let Some(code) = code_of(random) {
            return code;
        }
    }
}

/// With the service's own key: whoever has only the table can't try all million codes.
fn hash(cx: &Ctx, member: MemberId, salt: &[u8], code: &str) -> [u8; 32] {
    cx.seal.hash(&[member.0.as_bytes(), salt, code.as_bytes()].concat())
}

/// Whether this is the code that was sent.
pub fn matches(cx: &Ctx, member: MemberId, kept: &KeptCode, code: &str) -> bool {
    let given = hash(cx, member, &kept.salt, code);
    // Both are keyed hashes: how far they agree says nothing about the code.
    given.as_slice() == kept.hash.as_slice()
}
