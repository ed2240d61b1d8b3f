//! What the rules in force say about an invoice, before anybody asks whose it is.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use jifen_contracts::{
    code,
    document::{Fault, Invoice},
    program::AppliedProgram,
};
use jifen_kernel::clock::local_date;

/// Clocks of stores may be wrong by so much.
const AHEAD_HOURS: i64 = 24;

/// The rules an invoice is in order under, and the local day they put it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The program's version.
    pub version: u32,
    /// The local day of its settlement.
    pub business_date: NaiveDate,
    /// Whose days these are.
    pub zone: Tz,
}

/// Stamps an invoice with the rules in force at its settlement, or says what they refuse.
pub fn decide_stamp(invoice: &Invoice, in_force: Option<&AppliedProgram>, now: DateTime<Utc>) -> Result<Stamp, Fault> {
    let settled_at = invoice.issued_at.with_timezone(&Utc);
    let Some(applied) = in_force else {
        return Err(Fault::at(code::DOCUMENT_BAD_DATE, "/issued_at").detail("no program was in force then"));
    };
    let version = applied.version;
    if applied.program.store(invoice.store.as_str()).is_none() {
        let detail = format!("store {} is not in version {version} of the program", invoice.store);
        return Err(Fault::at(code::DOCUMENT_UNKNOWN_STORE, "/store").detail(detail));
    }
    let rates = &applied.program.earn.rates;
    if let Some((place, line)) = invoice.lines.iter().enumerate().find(|(_, line)| !rates.contains_key(&line.category)) {
        let detail = format!("category {} is not in version {version} of the program", line.category);
        return Err(Fault::at(code::DOCUMENT_UNKNOWN_CATEGORY, format!("/lines/{place}/category")).detail(detail));
    }
    if settled_at > now + Duration::hours(AHEAD_HOURS) {
        return Err(Fault::at(code::DOCUMENT_FUTURE_DATE, "/issued_at"));
    }
    let zone = applied.program.time_zone();
    Ok(Stamp { version, business_date: local_date(settled_at, zone), zone })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{applied, invoice};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("instant")
    }

    #[test]
    fn a_bill_is_stamped_with_the_version_and_the_local_day() {
        let mut bill = invoice("R1");
        bill.issued_at = DateTime::parse_from_rfc3339("2026-09-30T16:00:00Z").expect("instant");
        let stamp = decide_stamp(&bill, Some(&applied(7, "2000-01-01")), at("2026-10-01T00:00:00Z")).expect("stamp");
        assert_eq!((stamp.version, stamp.business_date.to_string().as_str()), (7, "2026-10-01"));
    }

    #[test]
    fn what_the_rules_do_not_know_is_named() {
        let now = at("2026-10-01T03:00:00Z");
        let rules = applied(1, "2000-01-01");
        let mut elsewhere = invoice("R1");
        elsewhere.store = jifen_kernel::StoreCode::try_new("SH99").expect("store");
        let mut boat = invoice("R1");
        boat.lines[0].category = jifen_kernel::Token::try_new("boat").expect("token");
        let mut both = boat.clone();
        both.store = elsewhere.store.clone();
        let cases = [
            (&elsewhere, Some(&rules), "document.unknown_store", "/store", "SH99"),
            (&boat, Some(&rules), "document.unknown_category", "/lines/0/category", "boat"),
            (&both, Some(&rules), "document.unknown_store", "/store", "SH99"),
            (&boat, None, "document.bad_date", "/issued_at", "no program"),
        ];
        for (bill, rules, code, pointer, named) in cases {
            let fault = decide_stamp(bill, rules, now).expect_err(code);
            assert_eq!((fault.code.code, fault.pointer.as_deref()), (code, Some(pointer)));
            assert!(fault.detail.contains(named), "{}", fault.detail);
        }
    }

    #[test]
    fn a_day_ahead_is_tolerated_and_not_a_second_more() {
        let (bill, rules) = (invoice("R1"), applied(1, "2000-01-01"));
        let settled = bill.issued_at.with_timezone(&Utc);
        assert!(decide_stamp(&bill, Some(&rules), settled - Duration::hours(24)).is_ok());
        let fault = decide_stamp(&bill, Some(&rules), settled - Duration::hours(24) - Duration::seconds(1)).expect_err("fault");
        assert_eq!(fault.code, code::DOCUMENT_FUTURE_DATE);
    }
}
