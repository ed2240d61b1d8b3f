//! Given a registration and its code, when somebody tries, then; and how many codes are sent.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

fn today() -> NaiveDate {
    "2026-10-01".parse().expect("date")
}

fn sent(attempts_left: i32) -> SentCode {
    SentCode { not_after: at("2026-10-01T02:10:00Z"), attempts_left, used: false }
}

/// Tries a code of a registration that waits, at a minute past two.
fn attempt(code: Option<&mut SentCode>, matches: bool) -> Result<(), NotActivated> {
    decide_activate(MemberStatus::Registered, None, code, matches, at("2026-10-01T02:01:00Z"), today())
}

#[test]
fn a_code_activates_once() {
    let mut code = sent(5);
    assert_eq!(attempt(Some(&mut code), true), Ok(()));
    assert_eq!(attempt(Some(&mut code), true), Err(NotActivated::NoCode), "used up");
    assert_eq!(attempt(None, true), Err(NotActivated::NoCode));
}

#[test]
fn wrong_attempts_use_a_code_up() {
    let mut code = sent(2);
    assert_eq!(attempt(Some(&mut code), false), Err(NotActivated::Wrong(1)));
    assert_eq!(attempt(Some(&mut code), false), Err(NotActivated::Wrong(0)));
    assert_eq!(attempt(Some(&mut code), true), Err(NotActivated::Void), "also the right one is too late");
}

#[test]
fn a_code_holds_until_its_last_instant_and_a_registration_until_its_last_day() {
    let now = at("2026-10-01T02:10:00Z");
    let decide = |status, lapses_on, now| decide_activate(status, lapses_on, Some(&mut sent(5)), true, now, today());
    assert_eq!(decide(MemberStatus::Registered, None, now), Err(NotActivated::Expired));
    assert_eq!(decide(MemberStatus::Registered, None, now - Duration::milliseconds(1)), Ok(()));
    let now = at("2026-10-01T02:00:00Z");
    assert_eq!(decide(MemberStatus::Registered, Some(today()), now), Err(NotActivated::Lapsed));
    assert_eq!(decide(MemberStatus::Registered, today().succ_opt(), now), Ok(()));
    assert_eq!(decide(MemberStatus::Lapsed, None, now), Err(NotActivated::Lapsed));
    assert_eq!(decide(MemberStatus::Active, None, now), Err(NotActivated::AlreadyActive));
}

#[test]
fn every_code_is_as_likely_as_the_next() {
    assert_eq!(code_of([0; 4]).as_deref(), Some("000000"));
    assert_eq!(code_of(42_u32.to_be_bytes()).as_deref(), Some("000042"));
    assert_eq!(code_of((FAIR - 1).to_be_bytes()).as_deref(), Some("999999"));
    assert_eq!(code_of(FAIR.to_be_bytes()), None, "the rest would favour the lower ones");
}

fn rules(phone: u32, store: u32, group: u32) -> Membership {
    Membership { codes_per_phone_day: phone, codes_per_store_hour: store, codes_per_group_hour: group, ..Membership::default() }
}

/// One code for a phone of a store: sent, or how long to wait.
fn one(counts: &mut BTreeMap<Span, u32>, rules: &Membership, phone: u32, store: &str, now: DateTime<Utc>) -> Result<(), u64> {
    let store = StoreCode::try_new(store).expect("store");
    let spans = spans_of(&KeyedHash(format!("1:{phone}")), &store, rules, now, chrono_tz::Asia::Shanghai);
    count_code(counts, &spans, now)
}

#[test]
fn a_phone_has_its_codes_a_local_day() {
    let (mut counts, rules, now) = (BTreeMap::new(), rules(2, 9, 9), at("2026-10-01T15:00:00Z"));
    assert_eq!([1, 2, 3].map(|_| one(&mut counts, &rules, 1, "SH01", now)), [Ok(()), Ok(()), Err(3601)]);
    assert_eq!(one(&mut counts, &rules, 2, "SH01", now), Ok(()), "another phone");
    assert_eq!(one(&mut counts, &rules, 1, "SH01", now + Duration::hours(1)), Ok(()), "midnight in Shanghai");
}

#[test]
fn a_store_and_the_group_have_theirs_an_hour_and_a_refused_one_counts_nowhere() {
    let (mut counts, rules, now) = (BTreeMap::new(), rules(9, 2, 3), at("2026-10-01T02:59:30Z"));
    assert_eq!([1, 2, 3].map(|phone| one(&mut counts, &rules, phone, "SH01", now)), [Ok(()), Ok(()), Err(31)]);
    assert_eq!([4, 5].map(|phone| one(&mut counts, &rules, phone, "SH02", now)), [Ok(()), Err(31)], "the third of the group was the last");
    assert!(counts.keys().all(|span| span.scope != "phone/1:3" && span.scope != "phone/1:5"), "{counts:?}");
    assert_eq!(one(&mut counts, &rules, 3, "SH01", now + Duration::seconds(31)), Ok(()), "who waits as long as said is served");
}

proptest! {
    /// Whatever is asked in whatever order: no span sees more than it allows.
    #[test]
    fn no_span_is_overrun(asked in prop::collection::vec((0_u32..4, 0_usize..2), 1..60)) {
        let (mut counts, rules, now) = (BTreeMap::new(), rules(3, 5, 8), at("2026-10-01T02:00:00Z"));
        let mut sent = 0;
        for (phone, store) in asked {
            sent += u32::from(one(&mut counts, &rules, phone, ["SH01", "SH02"][store], now).is_ok());
        }
        prop_assert!(sent <= 8);
        for (span, count) in counts {
            let most = if span.scope == "group" { 8 } else if span.scope.starts_with("store") { 5 } else { 3 };
            prop_assert!(count <= most, "{span:?} {count}");
        }
    }
}
