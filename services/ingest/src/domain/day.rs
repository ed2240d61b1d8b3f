//! A store's day: what it says it did, against what arrived.
//!
//! Everything counts that was issued and could be read, also what waits, what lapsed, and what was taken back later. Numbers that
//! begin alike go by the value of their last digits, with leading zeros or without. Where they follow each other with a small gap at
//! most, those that are missing are named: for certain where the store counts as many as there are, and its first and last always;
//! else as those of which some are missing and the store never issued the others.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use jifen_contracts::{
    document::DayTotals,
    event::{ArrivedTotals, DayDifference, DayDifferenceKind, DaySide},
};
use jifen_kernel::Money;

/// At most so many numbers of one day are told from its first and last.
const NUMBERS: u64 = 10_000;
/// At most so many of them may be unused.
const UNUSED: u64 = 1_000;
/// At most so many differences are named.
pub const DIFFERENCES: usize = 1_000;

/// What arrived of one kind: number to sum.
pub type Arrived = BTreeMap<String, Money>;

/// Every number from the first to the last, where these differ in their last digits only, and are as many as the store says or a few
/// more.
pub fn numbers_of(said: &DayTotals) -> Option<Vec<String>> {
    let (first, last) = (said.first.as_deref()?, said.last.as_deref()?);
    let (prefix, from) = split(first)?;
    let (same, to) = split(last)?;
    let (low, high): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    let count = high.checked_sub(low)?.checked_add(1)?;
    let unused = count.checked_sub(u64::from(said.count))?;
    let counts_up = from.len() == to.len() || !from.starts_with('0');
    let fits = prefix == same && counts_up && count <= NUMBERS && unused <= UNUSED;
    fits.then(|| (low..=high).map(|number| format!("{prefix}{number:0width$}", width = from.len())).collect())
}

/// What stands before the last digits, and these.
fn split(number: &str) -> Option<(&str, &str)> {
    let digits = number.bytes().rev().take_while(u8::is_ascii_digit).count();
    let place = number.len().checked_sub(digits)?;
    (digits > 0 && digits <= 18).then(|| number.split_at(place))
}

/// In which order numbers are issued: `R9` before `R10`.
fn place(number: &str) -> (&str, Option<u64>, &str) {
    let (prefix, digits) = split(number).unwrap_or((number, ""));
    (prefix, digits.parse().ok(), number)
}

/// The first and the last by `order`.
fn ends<'a, K: Ord>(arrived: &'a Arrived, order: impl Fn(&'a String) -> K + Copy) -> [Option<&'a String>; 2] {
    [arrived.keys().min_by_key(|number| order(number)), arrived.keys().max_by_key(|number| order(number))]
}

/// Of the store's numbers those that are not here, each with whether it is certain that it was issued. None is, that needn't be: as
/// many as the store counts may have come.
fn list_absent<'a>(said: &DayTotals, known: &'a [String], arrived: &Arrived) -> Vec<(&'a String, bool)> {
    let absent: Vec<&String> = known.iter().filter(|number| !arrived.contains_key(*number)).collect();
    let lacking = (said.count as usize).saturating_sub(known.len() - absent.len());
    let is_end = |number: &String| [&said.first, &said.last].into_iter().any(|end| end.as_ref() == Some(number));
    let ends = absent.iter().filter(|number| is_end(number)).count();
    let named = absent.iter().copied().filter(|number| is_end(number) || lacking > ends);
    named.map(|number| (number, is_end(number) || absent.len() <= lacking)).collect()
}

/// Compares one kind. `elsewhere`: days of those of its numbers that arrived for another day.
pub fn compare(said: Option<&DayTotals>, arrived: &Arrived, elsewhere: &BTreeMap<String, NaiveDate>) -> (DaySide, Vec<DayDifference>) {
    let by_value = ends(arrived, |number| place(number));
    let [first, last] = by_value.map(Option::<&String>::cloned);
    let count = u32::try_from(arrived.len()).unwrap_or(u32::MAX);
    let found = ArrivedTotals { count, sum: arrived.values().copied().sum(), first, last };
    let mut differences = Vec::new();
    if let Some(said) = said {
        let difference = |kind, document: Option<&String>, said: String, arrived: String| DayDifference {
            kind,
            document: document.cloned(),
            said: Some(said).filter(|text| !text.is_empty()),
            arrived: Some(arrived).filter(|text| !text.is_empty()),
        };
        let known = numbers_of(said);
        for (number, is_certain) in list_absent(said, known.as_deref().unwrap_or_default(), arrived) {
            let (kind, day) = match (elsewhere.get(number), is_certain) {
                (Some(day), _) => (DayDifferenceKind::OtherDay, day.to_string()),
                (None, true) => (DayDifferenceKind::Missing, String::new()),
                (None, false) => (DayDifferenceKind::MissingOrUnused, String::new()),
            };
            differences.push(difference(kind, Some(number), String::new(), day));
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
        let named = [(DayDifferenceKind::First, &said.first, &found.first), (DayDifferenceKind::Last, &said.last, &found.last)];
        // Some sort their numbers as text: then these are the ends that they mean.
        let as_text = ends(arrived, String::as_str) == [said.first.as_ref(), said.last.as_ref()];
        for (kind, said, found) in named {
            if let Some(number) = said.as_ref().filter(|_| said != found && !as_text) {
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
        // Of numbers with a gap of the store's own: its last one is missing for certain, so the gap is R-09.
        assert_eq!(named(&totals(3, "13.50", "R-08", "R-11"), &some, &[]), ["missing R-11 /", "not_counted X-1 /9.00", "last  R-11/X-1"]);
    }

    #[test]
    fn numbers_go_by_their_value() {
        let all = arrived(&[("R9", "1"), ("R10", "2"), ("R11", "3")]);
        assert_eq!(named(&totals(3, "6", "R9", "R11"), &all, &[]), [""; 0]);
        assert_eq!(named(&totals(3, "6", "R10", "R9"), &all, &[]), [""; 0], "as a store says it that sorts text");
        assert_eq!(named(&totals(4, "10", "R8", "R11"), &all, &[]), ["missing R8 /", "count  4/3", "sum  10.00/6.00", "first  R8/R9"]);
        assert_eq!(named(&totals(3, "6", "R9", "R12"), &all, &[]), ["missing R12 /", "last  R12/R11"], "one of the others is unused");
        let mixed = arrived(&[("A2", "1"), ("A10", "1"), ("B1", "1"), ("VOID", "1")]);
        let ends = compare(None, &mixed, &BTreeMap::new()).0.arrived;
        assert_eq!((ends.first.as_deref(), ends.last.as_deref()), (Some("A2"), Some("VOID")));
    }

    #[test]
    fn where_the_store_skips_numbers_the_candidates_are_named() {
        // 0020 was never issued; 0030 was lost.
        let numbers: Vec<String> = (1..=43).filter(|number| ![20, 30].contains(number)).map(|number| format!("{number:04}")).collect();
        let mut some: Arrived = numbers.iter().map(|number| (number.clone(), Money::from_fen(100))).collect();
        let said = totals(42, "42", "0001", "0043");
        let expected = ["missing_or_unused 0020 /", "missing_or_unused 0030 /", "count  42/41", "sum  42.00/41.00"];
        assert_eq!(named(&said, &some, &[]), expected);
        let expected = ["missing_or_unused 0020 /", "other_day 0030 /2026-10-02", "count  42/41", "sum  42.00/41.00"];
        assert_eq!(named(&said, &some, &[("0030", "2026-10-02")]), expected);
        some.insert("0030".to_owned(), Money::from_fen(100));
        assert_eq!(named(&said, &some, &[]), [""; 0], "nothing is missing: what is unused is the store's own");
        // With too large a gap nothing is named.
        assert_eq!(named(&totals(43, "43", "0001", "1044"), &some, &[]), ["count  43/42", "sum  43.00/42.00", "last  1044/0043"]);
    }

    #[test]
    fn only_numbers_that_count_up_are_told_from_their_ends() {
        let numbers = |count, first, last| numbers_of(&totals(count, "0", first, last)).map(|all| all.len());
        assert_eq!(numbers(3, "R20261001-0099", "R20261001-0101"), Some(3));
        assert_eq!(numbers_of(&totals(2, "0", "A09", "A10")), Some(vec!["A09".to_owned(), "A10".to_owned()]));
        assert_eq!(numbers(2, "R99", "R100"), Some(2));
        assert_eq!(numbers(2, "A1", "A3"), Some(3), "one is unused");
        for (count, first, last) in [(2, "R099", "R0100"), (2, "A1", "B2"), (3, "A1", "A2"), (2, "A2", "A1"), (1, "A", "A"), (1, "", "")] {
            assert_eq!(numbers(count, first, last), None, "{first} {last}");
        }
        assert_eq!(numbers(1, "1", "1002"), None, "too many are unused");
        assert_eq!(numbers(1_000_000, "000001", "1000000"), None);
        assert_eq!(numbers(20_000, "00001", "20000"), None, "more than are listed");
    }
}
