//! A store's day: what it says it did, against what arrived.
//!
//! Everything counts that was issued and could be read, also what waits, what lapsed, and what was taken back later. Where the
//! store's numbers follow each other without a gap, those that are missing are named; else the sums and ends only.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use jifen_contracts::{
    document::DayTotals,
    event::{ArrivedTotals, DayDifference, DayDifferenceKind, DaySide},
};
use jifen_kernel::Money;

/// At most so many numbers of one day are told from its first and last.
const NUMBERS: u64 = 10_000;
/// At most so many differences are named.
pub const DIFFERENCES: usize = 1_000;

/// What arrived of one kind: number to sum.
pub type Arrived = BTreeMap<String, Money>;

/// Every number from the first to the last, where these differ in their last digits only, and are as many as the store says.
pub fn numbers_of(said: &DayTotals) -> Option<Vec<String>> {
    let (first, last) = (said.first.as_deref()?, said.last.as_deref()?);
    let (prefix, from) = split(first)?;
    let (same, to) = split(last)?;
    let (low, high): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    let count = high.checked_sub(low)?.checked_add(1)?;
    let fits = prefix == same && from.len() == to.len() && count <= NUMBERS && count == u64::from(said.count);
    fits.then(|| (low..=high).map(|number| format!("{prefix}{number:0width$}", width = from.len())).collect())
}

/// What stands before the last digits, and these.
fn split(number: &str) -> Option<(&str, &str)> {
    let digits = number.bytes().rev().take_while(u8::is_ascii_digit).count();
    let place = number.len().checked_sub(digits)?;
    (digits > 0 && digits <= 18).then(|| number.split_at(place))
}

/// Compares one kind. `elsewhere`: days of those of its numbers that arrived for another day.
pub fn compare(said: Option<&DayTotals>, arrived: &Arrived, elsewhere: &BTreeMap<String, NaiveDate>) -> (DaySide, Vec<DayDifference>) {
    let found = ArrivedTotals {
        count: u32::try_from(arrived.len()).unwrap_or(u32::MAX),
        sum: arrived.values().copied().sum(),
        first: arrived.keys().next().cloned(),
        last: arrived.keys().next_back().cloned(),
    };
    let mut differences = Vec::new();
    if let Some(said) = said {
        let difference = |kind, document: Option<&String>, said: String, arrived: String| DayDifference {
            kind,
            document: document.cloned(),
            said: Some(said).filter(|text| !text.is_empty()),
            arrived: Some(arrived).filter(|text| !text.is_empty()),
        };
        let known = numbers_of(said);
        for number in known.iter().flatten().filter(|number| !arrived.contains_key(*number)) {
            differences.push(match elsewhere.get(number) {
                Some(day) => difference(DayDifferenceKind::OtherDay, Some(number), String::new(), day.to_string()),
                None => difference(DayDifferenceKind::Missing, Some(number), String::new(), String::new()),
            });
        }
        let known: Option<BTreeSet<&String>> = known.as_ref().map(|numbers| numbers.iter().collect());
        for (number, sum) in arrived.iter().filter(|(number, _)| known.as_ref().is_some_and(|known| !known.contains(number))) {
            differences.push(difference(DayDifferenceKind::NotCounted, Some(number), String::new(), sum.to_string()));
        }
        if said.count != found.count {
            differences.push(difference(DayDifferenceKind::Count, None, said.count.to_string(), found.count.to_string()));
        }
        if said.sum != found.sum {
            differences.push(difference(DayDifferenceKind::Sum, None, said.sum.to_string(), found.sum.to_string()));
        }
        let ends = [(DayDifferenceKind::First, &said.first, &found.first), (DayDifferenceKind::Last, &said.last, &found.last)];
        for (kind, said, found) in ends {
            if let Some(number) = said.as_ref().filter(|_| said != found) {
                differences.push(difference(kind, None, number.clone(), found.clone().unwrap_or_default()));
            }
        }
    }
    differences.truncate(DIFFERENCES);
    (DaySide { said: said.cloned(), arrived: found }, differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(count: u32, sum: &str, first: &str, last: &str) -> DayTotals {
        let end = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        DayTotals { count, sum: Money::try_new(sum).expect("money"), first: end(first), last: end(last) }
    }

    fn arrived(numbers: &[(&str, &str)]) -> Arrived {
        numbers.iter().map(|(number, sum)| ((*number).to_owned(), Money::try_new(sum).expect("money"))).collect()
    }

    fn named(said: &DayTotals, arrived: &Arrived, elsewhere: &[(&str, &str)]) -> Vec<String> {
        let elsewhere = elsewhere.iter().map(|(number, day)| ((*number).to_owned(), day.parse().expect("day"))).collect();
        let word = |one: DayDifference| {
            let kind = serde_json::to_string(&one.kind).expect("json");
            format!(
                "{} {} {}/{}",
                kind.trim_matches('"'),
                one.document.unwrap_or_default(),
                one.said.unwrap_or_default(),
                one.arrived.unwrap_or_default()
            )
        };
        compare(Some(said), arrived, &elsewhere).1.into_iter().map(word).collect()
    }

    #[test]
    fn a_day_that_arrived_whole_has_no_difference() {
        let all = arrived(&[("R-08", "1.50"), ("R-09", "2"), ("R-10", "3")]);
        assert_eq!(named(&totals(3, "6.50", "R-08", "R-10"), &all, &[]), [""; 0]);
        assert_eq!(named(&totals(0, "0", "", ""), &Arrived::new(), &[]), [""; 0]);
        assert!(compare(None, &all, &BTreeMap::new()).1.is_empty(), "nothing was said");
    }

    #[test]
    fn each_difference_names_its_document_where_it_can() {
        let some = arrived(&[("R-08", "1.50"), ("R-10", "3"), ("X-1", "9")]);
        let found = named(&totals(4, "6.50", "R-08", "R-11"), &some, &[("R-11", "2026-10-02")]);
        let expected =
            ["missing R-09 /", "other_day R-11 /2026-10-02", "not_counted X-1 /9.00", "count  4/3", "sum  6.50/13.50", "last  R-11/X-1"];
        assert_eq!(found, expected);
        // Numbers with gaps of the store's own name nobody.
        assert_eq!(named(&totals(3, "13.50", "R-08", "R-11"), &some, &[]), ["last  R-11/X-1"]);
    }

    #[test]
    fn only_numbers_that_count_up_are_told_from_their_ends() {
        let numbers = |count, first, last| numbers_of(&totals(count, "0", first, last)).map(|all| all.len());
        assert_eq!(numbers(3, "R20261001-0099", "R20261001-0101"), Some(3));
        assert_eq!(numbers_of(&totals(2, "0", "A09", "A10")), Some(vec!["A09".to_owned(), "A10".to_owned()]));
        for (count, first, last) in [(2, "R99", "R100"), (2, "A1", "B2"), (3, "A1", "A2"), (2, "A2", "A1"), (1, "A", "A"), (1, "", "")] {
            assert_eq!(numbers(count, first, last), None, "{first} {last}");
        }
        assert_eq!(numbers(1_000_000, "000001", "1000000"), None);
        assert_eq!(numbers(20_000, "00001", "20000"), None, "more than are listed");
    }
}
