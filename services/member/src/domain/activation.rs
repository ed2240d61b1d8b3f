//! Activation: until when a registration waits, the code that ends the waiting, and how many codes may be sent.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Timelike, Utc};
use chrono_tz::Tz;
use jifen_contracts::{KeyedHash, endpoint::MemberStatus, program::Membership};
use jifen_kernel::{StoreCode, clock};

/// Codes have so many values: six digits.
const CODES: u32 = 1_000_000;
/// A multiple of [`CODES`]: four random bytes from here on would favour the lower codes.
const FAIR: u32 = u32::MAX - u32::MAX % CODES;

/// Until when a registration waits for its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The local day with whose beginning it lapses.
    pub lapses_on: NaiveDate,
    /// The local day on which that is announced; none if there is no day left for it.
    pub warn_on: Option<NaiveDate>,
}

/// The six digits that four random bytes make; `None` if others are to be drawn.
pub fn code_of(random: [u8; 4]) -> Option<String> {
    let number = u32::from_be_bytes(random);
    (number < FAIR).then(|| format!("{:06}", number % CODES))
}

/// The last code of a member, as far as it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentCode {
    /// It holds until then.
    pub not_after: DateTime<Utc>,
    /// So many wrong ones are left.
    pub attempts_left: i32,
    /// It has activated somebody.
    pub used: bool,
}

/// Why a registration is not activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotActivated {
    /// It was before.
    AlreadyActive,
    /// Too late.
    Lapsed,
    /// No code was sent, or the last one was used.
    NoCode,
    /// Too late for this code.
    Expired,
    /// Too many wrong attempts.
    Void,
    /// Another code; so many more may be tried.
    Wrong(i32),
}

/// Decides an attempt; `matches` says whether the code is the one that was sent. Whatever comes of it, the code knows.
pub fn decide_activate(
    status: MemberStatus,
    lapses_on: Option<NaiveDate>,
    code: Option<&mut SentCode>,
    matches: bool,
    now: DateTime<Utc>,
    today: NaiveDate,
) -> Result<(), NotActivated> {
    may_activate(status, lapses_on, today)?;
    let code = code.filter(|code| !code.used).ok_or(NotActivated::NoCode)?;
    if code.attempts_left <= 0 {
        return Err(NotActivated::Void);
    }
    if code.not_after <= now {
        return Err(NotActivated::Expired);
    }
    if !matches {
        code.attempts_left -= 1;
        return Err(NotActivated::Wrong(code.attempts_left));
    }
    code.used = true;
    Ok(())
}

/// Whether a member waits for activation at all. What has lapsed by now counts as lapsed, also before a run has written it.
pub fn may_activate(status: MemberStatus, lapses_on: Option<NaiveDate>, today: NaiveDate) -> Result<(), NotActivated> {
    match status {
        MemberStatus::Active => Err(NotActivated::AlreadyActive),
        MemberStatus::Lapsed => Err(NotActivated::Lapsed),
        MemberStatus::Registered if lapses_on.is_some_and(|day| day <= today) => Err(NotActivated::Lapsed),
        MemberStatus::Registered => Ok(()),
    }
}

/// A span of time in which codes are counted for somebody: ordered as its rows are locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// `group`, `phone/<hash>`, `store/<code>`.
    pub scope: String,
    /// When it began.
    pub since: DateTime<Utc>,
}

/// The three that one code counts in, each with how many it allows and when it ends.
pub fn spans_of(phone: &KeyedHash, store: &StoreCode, rules: &Membership, now: DateTime<Utc>, zone: Tz) -> [(Span, u32, DateTime<Utc>); 3] {
    let today = clock::local_date(now, zone);
    let tomorrow = today.succ_opt().unwrap_or(today);
    let day = clock::start_of_day(today, zone);
    let hour = now.with_minute(0).and_then(|at| at.with_second(0)).and_then(|at| at.with_nanosecond(0)).unwrap_or(now);
    let (next_day, next_hour) = (clock::start_of_day(tomorrow, zone), hour + Duration::hours(1));
    [
        (Span { scope: format!("phone/{}", phone.0), since: day }, rules.codes_per_phone_day, next_day),
        (Span { scope: format!("store/{store}"), since: hour }, rules.codes_per_store_hour, next_hour),
        (Span { scope: "group".to_owned(), since: hour }, rules.codes_per_group_hour, next_hour),
    ]
}

/// Counts one code, if every span allows it; else says how many seconds to wait, and counts nothing. A span that is not in
/// `counts` has seen none.
pub fn count_code(counts: &mut BTreeMap<Span, u32>, spans: &[(Span, u32, DateTime<Utc>)], now: DateTime<Utc>) -> Result<(), u64> {
    let full = spans.iter().filter(|(span, most, _)| counts.get(span).is_some_and(|count| count >= most) || *most == 0);
    if let Some(end) = full.map(|(.., end)| *end).max() {
        // Rounded up: who waits so long finds the next span begun.
        return Err(u64::try_from((end - now).num_seconds()).unwrap_or(0) + 1);
    }
    for (span, ..) in spans {
        *counts.entry(span.clone()).or_default() += 1;
    }
    Ok(())
}

#[cfg(test)]
#[path = "activation_tests.rs"]
mod tests;
