//! Accepted, parked or lapsed: on arrival, and at the release of what was parked (DOMAIN, exact default 8).

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use jifen_contracts::{
    code::{self, Code},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, clock::local_date};

use super::{
    content::Content,
    customer::{Earner, Formers, Keys, Owner, Owners, decide_earner, former_owner},
    stamp::{Stamp, decide_stamp},
};

/// A waiting document earns if the customer registers up to this many days after its business date, the last one included.
const RELEASE_DAYS: u64 = 90;
/// So much longer it waits for news of a registration: events are kept for a week, and a service is not away for a month.
const HEARD_LATE_DAYS: u64 = 30;

/// What a document in order comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// This member earns.
    Accepted(Owner),
    /// It corrects an accepted invoice of this member, and bears that one's stamp.
    Corrects {
        /// Whose the invoice is.
        member_id: MemberId,
        /// The invoice's.
        program_version: u32,
    },
    /// It is nobody's: a day's close.
    Recorded,
    /// It waits, and why: for a registration, or for a review.
    Parked(Code),
    /// It waited too long.
    Lapsed,
}

/// On arrival, where nobody has any of the keys: the member who had the vehicle then. `None`: the document waits.
pub fn decide_former(keys: &Keys, formers: &Formers, stamp: &Stamp) -> Option<Standing> {
    former_owner(keys, formers, stamp.business_date, stamp.zone).map(|owner| Standing::Accepted(owner.clone()))
}

/// The same at a release, where a document may have waited too long.
pub fn decide_former_release(keys: &Keys, formers: &Formers, stamp: &Stamp) -> Option<Standing> {
    let owner = former_owner(keys, formers, stamp.business_date, stamp.zone)?;
    let lapsed = is_too_late(owner.known_at, stamp.business_date, stamp.zone);
    Some(if lapsed { Standing::Lapsed } else { Standing::Accepted(owner.clone()) })
}

/// On arrival. However late it comes, it earns if its member is known, and waits if nobody is.
pub fn decide_standing(keys: &Keys, owners: &Owners, stamp: &Stamp) -> Standing {
    match decide_earner(keys, owners, stamp.business_date) {
        Earner::Member(owner) => Standing::Accepted(owner.clone()),
        Earner::Disagree => Standing::Parked(code::DOCUMENT_PARKED_REVIEW),
        Earner::Unknown => Standing::Parked(code::DOCUMENT_PARKED),
    }
}

/// At a registration; `None`: it goes on waiting. The day of the registration counts, not the day on which this service
/// hears of it: a service that was down falsifies nothing.
pub fn decide_release(keys: &Keys, owners: &Owners, stamp: &Stamp) -> Option<Standing> {
    match decide_earner(keys, owners, stamp.business_date) {
        Earner::Member(owner) if is_too_late(owner.known_at, stamp.business_date, stamp.zone) => Some(Standing::Lapsed),
        Earner::Member(owner) => Some(Standing::Accepted(owner.clone())),
        Earner::Disagree => Some(Standing::Parked(code::DOCUMENT_PARKED_REVIEW)),
        Earner::Unknown => None,
    }
}

/// The stamp at a release: the rules in force at the document's time as known now. Should they refuse what was in order on
/// arrival (a store or category has gone since), the rules of the arrival stay, so that no version takes back a promise.
pub fn decide_release_stamp(
    content: &Content,
    in_force: Option<&AppliedProgram>,
    on_arrival: Option<&AppliedProgram>,
    now: DateTime<Utc>,
) -> Option<Stamp> {
    decide_stamp(content, in_force, now).or_else(|_| decide_stamp(content, on_arrival, now)).ok()
}

/// The first business date of which a document may still be claimed on this day: what is older can't be any more. A month longer than
/// it may earn, since a registration counts by its own day, however late this service hears of it.
pub fn first_claimable(today: NaiveDate) -> NaiveDate {
    let days = Days::new(RELEASE_DAYS + HEARD_LATE_DAYS);
    today.checked_sub_days(days).unwrap_or(NaiveDate::MIN)
}

fn is_too_late(at: DateTime<Utc>, business_date: NaiveDate, zone: Tz) -> bool {
    business_date.checked_add_days(Days::new(RELEASE_DAYS)).is_some_and(|last| local_date(at, zone) > last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{applied, invoice, key, owner};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("instant")
    }

    fn stamp() -> Stamp {
        Stamp { version: 1, business_date: "2026-10-01".parse().expect("date"), zone: chrono_tz::Asia::Shanghai }
    }

    fn by_phone() -> Keys {
        Keys { phone: Some(key("p1")), ..Keys::default() }
    }

    fn registered(known_at: &str) -> Owners {
        [(key("p1"), Owner { known_at: at(known_at), ..owner(1, None) })].into()
    }

    #[test]
    fn a_registration_releases_up_to_the_ninetieth_day_local_time() {
        // 30 December 2026 is the ninetieth day after 1 October; it ends at 16:00 UTC.
        let last = registered("2026-12-30T15:59:59Z");
        assert!(matches!(decide_release(&by_phone(), &last, &stamp()), Some(Standing::Accepted(_))));
        let late = registered("2026-12-30T16:00:00Z");
        assert_eq!(decide_release(&by_phone(), &late, &stamp()), Some(Standing::Lapsed));
        assert_eq!(decide_release(&by_phone(), &Owners::new(), &stamp()), None);
    }

    #[test]
    fn on_arrival_age_decides_nothing() {
        assert_eq!(decide_standing(&by_phone(), &Owners::new(), &stamp()), Standing::Parked(code::DOCUMENT_PARKED));
        let known = registered("2027-06-01T00:00:00Z");
        assert!(matches!(decide_standing(&by_phone(), &known, &stamp()), Standing::Accepted(_)));
    }

    #[test]
    fn keys_that_disagree_wait_for_review_on_arrival_and_at_release() {
        let keys = Keys { phone: Some(key("p1")), vin: Some(key("v2")), ..Keys::default() };
        let owners: Owners = [(key("p1"), owner(1, None)), (key("v2"), owner(2, Some("2026-01-01")))].into();
        let review = Standing::Parked(code::DOCUMENT_PARKED_REVIEW);
        assert_eq!(decide_standing(&keys, &owners, &stamp()), review);
        assert_eq!(decide_release(&keys, &owners, &stamp()), Some(review));
    }

    #[test]
    fn a_release_takes_the_rules_known_now_and_falls_back_to_those_of_the_arrival() {
        let (bill, now) = (Content::Invoice(invoice("R1")), at("2026-11-01T00:00:00Z"));
        let (old, new) = (applied(1, "2000-01-01"), applied(2, "2026-09-01"));
        let version = |in_force, on_arrival| decide_release_stamp(&bill, in_force, on_arrival, now).map(|stamp| stamp.version);
        assert_eq!(version(Some(&new), Some(&old)), Some(2));
        let mut without_store = new.clone();
        without_store.program.stores.clear();
        assert_eq!(version(Some(&without_store), Some(&old)), Some(1));
        assert_eq!(version(Some(&without_store), None), None);
    }
}
