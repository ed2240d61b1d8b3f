//! What the rules in force say about a document, before anybody asks whose it is.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use jifen_contracts::{
    code,
    document::{Fault, Interaction, Invoice, PartnerPurchase},
    program::{AppliedProgram, Earn, Period},
};
use jifen_kernel::clock::local_date;

use super::content::Content;

/// Clocks of stores may be wrong by so much.
const AHEAD_HOURS: i64 = 24;

/// The rules a document is in order under, and the local day they put it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The program's version.
    pub version: u32,
    /// The local day on which it happened.
    pub business_date: NaiveDate,
    /// Whose days these are.
    pub zone: Tz,
}

/// Stamps a document with the rules in force when it happened, or says what they refuse.
pub fn decide_stamp(content: &Content, in_force: Option<&AppliedProgram>, now: DateTime<Utc>) -> Result<Stamp, Fault> {
    let at = content.at();
    let Some(applied) = in_force else {
        return Err(Fault::at(code::DOCUMENT_BAD_DATE, content.at_pointer()).detail("no program was in force then"));
    };
    let (version, earn) = (applied.version, &applied.program.earn);
    if applied.program.store(content.store().as_str()).is_none() {
        let detail = format!("store {} is not in version {version} of the program", content.store());
        return Err(Fault::at(code::DOCUMENT_UNKNOWN_STORE, "/store").detail(detail));
    }
    match content {
        Content::Invoice(invoice) => categories_are_known(invoice, earn, version)?,
        Content::Interaction(interaction) => kind_is_known(interaction, earn, version)?,
        Content::PartnerPurchase(purchase) => partner_is_known(purchase, earn, version)?,
        // What they are about is asked once the invoice is known.
        Content::VehicleSale(_) | Content::Refund(_) | Content::Void(_) | Content::DayClose(_) => {}
    }
    if at > now + Duration::hours(AHEAD_HOURS) {
        return Err(Fault::at(code::DOCUMENT_FUTURE_DATE, content.at_pointer()));
    }
    let zone = applied.program.time_zone();
    let business_date = if let Content::DayClose(close) = content { close.day } else { local_date(at, zone) };
    Ok(Stamp { version, business_date, zone })
}

fn categories_are_known(invoice: &Invoice, earn: &Earn, version: u32) -> Result<(), Fault> {
    match invoice.lines.iter().enumerate().find(|(_, line)| !earn.rates.contains_key(&line.category)) {
        None => Ok(()),
        Some((place, line)) => {
            let detail = format!("category {} is not in version {version} of the program", line.category);
            Err(Fault::at(code::DOCUMENT_UNKNOWN_CATEGORY, format!("/lines/{place}/category")).detail(detail))
        }
    }
}

fn kind_is_known(interaction: &Interaction, earn: &Earn, version: u32) -> Result<(), Fault> {
    let Some(rule) = earn.interactions.iter().find(|rule| rule.kind == interaction.kind) else {
        let detail = format!("interaction {} is not in version {version} of the program", interaction.kind);
        return Err(Fault::at(code::DOCUMENT_UNKNOWN_INTERACTION, "/kind").detail(detail));
    };
    // Which one of several it is about could not be counted.
    let is_about = rule.limit.per == Period::About || rule.within_days.is_some();
    if is_about && interaction.about.is_none() {
        let detail = format!("about is missing: interaction {} is about something, by version {version} of the program", interaction.kind);
        return Err(Fault::at(code::DOCUMENT_MISSING_FIELD, "/about").detail(detail));
    }
    Ok(())
}

fn partner_is_known(purchase: &PartnerPurchase, earn: &Earn, version: u32) -> Result<(), Fault> {
    if earn.partners.iter().any(|partner| partner.code == purchase.partner) {
        return Ok(());
    }
    let detail = format!("partner {} is not in version {version} of the program", purchase.partner);
    Err(Fault::at(code::DOCUMENT_UNKNOWN_PARTNER, "/partner").detail(detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{applied, interaction, invoice, purchase, refund, sale, void};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("instant")
    }

    #[test]
    fn a_bill_is_stamped_with_the_version_and_the_local_day() {
        let mut bill = invoice("R1");
        bill.issued_at = DateTime::parse_from_rfc3339("2026-09-30T16:00:00Z").expect("instant");
        let stamp = decide_stamp(&Content::Invoice(bill), Some(&applied(7, "2000-01-01")), at("2026-10-01T00:00:00Z")).expect("stamp");
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
            let fault = decide_stamp(&Content::Invoice(bill.clone()), rules, now).expect_err(code);
            assert_eq!((fault.code.code, fault.pointer.as_deref()), (code, Some(pointer)));
            assert!(fault.detail.contains(named), "{}", fault.detail);
        }
    }

    #[test]
    fn every_kind_has_its_own_words_for_what_is_unknown() {
        let (now, rules) = (at("2026-10-01T03:00:00Z"), applied(1, "2000-01-01"));
        for content in [interaction("I1"), sale("V1"), purchase("F1")] {
            assert!(decide_stamp(&content, Some(&rules), now).is_ok());
        }
        let mut without = rules.clone();
        without.program.earn.interactions.clear();
        without.program.earn.partners.clear();
        let mut about_nothing = interaction("I1");
        if let Content::Interaction(interaction) = &mut about_nothing {
            interaction.about = None;
        }
        let cases = [
            (interaction("I1"), &without, "document.unknown_interaction", "/kind", "review"),
            (about_nothing, &rules, "document.missing_field", "/about", "review"),
            (purchase("F1"), &without, "document.unknown_partner", "/partner", "fuel-1"),
        ];
        for (content, rules, code, pointer, named) in cases {
            let fault = decide_stamp(&content, Some(rules), now).expect_err(code);
            assert_eq!((fault.code.code, fault.pointer.as_deref()), (code, Some(pointer)));
            assert!(fault.detail.contains(named), "{}", fault.detail);
        }
    }

    #[test]
    fn a_day_ahead_is_tolerated_and_not_a_second_more() {
        let rules = applied(1, "2000-01-01");
        let corrections = [refund("C1", "R1", 1, "200"), void("V1", "R1")];
        for content in [Content::Invoice(invoice("R1")), interaction("I1"), sale("V1"), purchase("F1")].into_iter().chain(corrections) {
            let edge = content.at() - Duration::hours(24);
            assert!(decide_stamp(&content, Some(&rules), edge).is_ok());
            let fault = decide_stamp(&content, Some(&rules), edge - Duration::seconds(1)).expect_err("fault");
            assert_eq!((fault.code, fault.pointer.as_deref()), (code::DOCUMENT_FUTURE_DATE, Some(content.at_pointer())));
        }
    }
}
