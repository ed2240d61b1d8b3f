//! What a new program's table of holidays holds: computed, then shipped as data that a group edits.
//!
//! The office announces how days off are arranged for one year at a time, in the autumn before. For years that the library
//! knows, its arrangement is taken, with make-up days. For later ones the table has the days that the law gives (since 2025
//! thirteen a year) and no make-up day; `program check` warns where a campaign needs them.

use std::ops::RangeInclusive;

use chrono::NaiveDate;
use jifen_contracts::{
    code::Text,
    program::{DayKind, Holiday},
};
use jifen_kernel::Token;
use tyme4rs::tyme::{Culture, holiday::LegalHoliday, lunar::LunarDay, solar::SolarDay};

use crate::lunar::term_of;

/// The festivals that the table names: code, Chinese, English.
pub const FESTIVALS: [(&str, &str, &str); 10] = [
    ("new_year", "元旦", "New Year"),
    ("spring_festival", "春节", "Spring Festival"),
    ("lantern", "元宵节", "Lantern Festival"),
    ("qingming", "清明节", "Qingming"),
    ("labour_day", "劳动节", "Labour Day"),
    ("dragon_boat", "端午节", "Dragon Boat Festival"),
    ("qixi", "七夕", "Qixi"),
    ("mid_autumn", "中秋节", "Mid-Autumn"),
    ("national_day", "国庆节", "National Day"),
    ("double_ninth", "重阳节", "Double Ninth"),
];

/// The rows of these years, in their order.
pub fn holidays(years: RangeInclusive<i32>) -> Vec<Holiday> {
    let mut all = Vec::new();
    for year in years {
        let mut arranged = arrangement(year);
        // A year of which only the beginning is known, with the winter before, is not arranged.
        if arranged.iter().any(|holiday| holiday.kind == DayKind::Work) {
            all.append(&mut arranged);
        } else {
            all.extend(by_law(year).into_iter().filter_map(|(day, festival)| row(day, DayKind::Off, festival)));
        }
        all.extend(named(year).into_iter().filter_map(|(day, festival)| row(day, DayKind::Named, festival)));
    }
    all.sort_by_key(|row| (row.day, row.kind));
    all
}

/// What the office arranged for a year, as far as the library knows it: from its first day, which is always one.
fn arrangement(year: i32) -> Vec<Holiday> {
    let Ok(year) = isize::try_from(year) else { return Vec::new() };
    // A look-up takes the library milliseconds; it walks from one to the next.
    let first = LegalHoliday::from_ymd(year, 1, 1);
    let all = std::iter::successors(first, |holiday| holiday.next(1)).take_while(|holiday| holiday.get_day().get_year() == year);
    all.flat_map(|holiday| arranged(&holiday).unwrap_or_default()).collect()
}

fn arranged(holiday: &LegalHoliday) -> Option<Vec<Holiday>> {
    let day = solar_date(&holiday.get_day())?;
    let kind = if holiday.is_work() { DayKind::Work } else { DayKind::Off };
    let name = holiday.get_name();
    // 国庆中秋: one arrangement for both.
    let codes = match name.as_str() {
        "国庆中秋" => vec!["national_day", "mid_autumn"],
        name => FESTIVALS.iter().filter(|festival| festival.1 == name).map(|festival| festival.0).collect(),
    };
    Some(codes.into_iter().filter_map(|code| row(day, kind, code)).collect())
}

/// The days off that the law gives, whatever is arranged around them.
fn by_law(year: i32) -> Vec<(NaiveDate, &'static str)> {
    let on = |month, day| NaiveDate::from_ymd_opt(year, month, day);
    let spring = lunar(year, 1, 1);
    let qingming = (4..=6).filter_map(|day| on(4, day)).find(|day| term_of(*day).as_deref() == Some("清明"));
    let days = [
        (on(1, 1), "new_year"),
        (spring.and_then(|day| day.pred_opt()), "spring_festival"),
        (spring, "spring_festival"),
        (lunar(year, 1, 2), "spring_festival"),
        (lunar(year, 1, 3), "spring_festival"),
        (qingming, "qingming"),
        (on(5, 1), "labour_day"),
        (on(5, 2), "labour_day"),
        (lunar(year, 5, 5), "dragon_boat"),
        (lunar(year, 8, 15), "mid_autumn"),
        (on(10, 1), "national_day"),
        (on(10, 2), "national_day"),
        (on(10, 3), "national_day"),
    ];
    days.into_iter().filter_map(|(day, festival)| Some((day?, festival))).collect()
}

/// Festivals that are no day off.
fn named(year: i32) -> Vec<(NaiveDate, &'static str)> {
    let days = [(lunar(year, 1, 15), "lantern"), (lunar(year, 7, 7), "qixi"), (lunar(year, 9, 9), "double_ninth")];
    days.into_iter().filter_map(|(day, festival)| Some((day?, festival))).collect()
}

/// The day on which a lunar date of a year falls; all that are asked for here fall into the same solar year.
fn lunar(year: i32, month: isize, day: usize) -> Option<NaiveDate> {
    let at = LunarDay::from_ymd(isize::try_from(year).ok()?, month, day).get_solar_day();
    solar_date(&at)
}

fn solar_date(at: &SolarDay) -> Option<NaiveDate> {
    let (year, month, day) = (i32::try_from(at.get_year()).ok()?, u32::try_from(at.get_month()).ok()?, u32::try_from(at.get_day()).ok()?);
    NaiveDate::from_ymd_opt(year, month, day)
}

fn row(day: NaiveDate, kind: DayKind, festival: &str) -> Option<Holiday> {
    let (code, zh, en) = FESTIVALS.iter().find(|known| known.0 == festival)?;
    Some(Holiday { day, kind, festival: Token::try_new(*code).ok()?, name: Text::new(*zh, *en) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lunar::LunarDate;

    /// Looked up, not computed: the first day of the lunar year, 清明, 5/5, 8/15 and 9/9 of each year.
    const KNOWN: [(i32, &str, &str, &str, &str, &str); 10] = [
        (2026, "02-17", "04-05", "06-19", "09-25", "10-18"),
        (2027, "02-06", "04-05", "06-09", "09-15", "10-08"),
        (2028, "01-26", "04-04", "05-28", "10-03", "10-26"),
        (2029, "02-13", "04-04", "06-16", "09-22", "10-16"),
        (2030, "02-03", "04-05", "06-05", "09-12", "10-05"),
        (2031, "01-23", "04-05", "06-24", "10-01", "10-24"),
        (2032, "02-11", "04-04", "06-12", "09-19", "10-12"),
        (2033, "01-31", "04-04", "06-01", "09-08", "10-01"),
        (2034, "02-19", "04-05", "06-20", "09-27", "10-20"),
        (2035, "02-08", "04-05", "06-10", "09-16", "10-09"),
    ];

    #[test]
    fn the_festivals_of_ten_years_equal_a_table_from_elsewhere() {
        for (year, spring, qingming, dragon_boat, mid_autumn, double_ninth) in KNOWN {
            let rows = holidays(year..=year);
            let on = |festival: &str, day: &str| {
                let day: NaiveDate = format!("{year}-{day}").parse().expect("a date");
                rows.iter().any(|row| row.festival.as_str() == festival && row.day == day && row.kind != DayKind::Work)
            };
            for (festival, day) in [
                ("spring_festival", spring),
                ("qingming", qingming),
                ("dragon_boat", dragon_boat),
                ("mid_autumn", mid_autumn),
                ("double_ninth", double_ninth),
            ] {
                assert!(on(festival, day), "{festival} of {year} is not on {day}: {rows:?}");
            }
            // By lunar date too, as a campaign names it.
            let lunar = |day: &str| LunarDate::of(format!("{year}-{day}").parse().expect("a date")).expect("a lunar date");
            assert_eq!((lunar(spring).month, lunar(spring).day, lunar(mid_autumn).month, lunar(mid_autumn).day), (1, 1, 8, 15));
        }
    }

    #[test]
    fn the_arrangement_of_2026_is_the_announced_one() {
        let rows = holidays(2026..=2026);
        let days =
            |kind| rows.iter().filter(|row| row.kind == kind).map(|row| row.day.format("%m%d").to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(days(DayKind::Work), "0104 0214 0228 0509 0920 1010");
        assert_eq!(
            days(DayKind::Off),
            "0101 0102 0103 0215 0216 0217 0218 0219 0220 0221 0222 0223 0404 0405 0406 0501 0502 0503 0504 0505 0619 0620 0621 \
             0925 0926 0927 1001 1002 1003 1004 1005 1006 1007"
        );
    }

    #[test]
    fn years_without_an_arrangement_have_the_days_of_the_law_and_no_make_up_day() {
        for year in 2027..=2035 {
            let rows = holidays(year..=year);
            assert!(rows.iter().all(|row| row.kind != DayKind::Work), "{year}");
            assert_eq!(rows.iter().filter(|row| row.kind == DayKind::Off).count(), 13, "{year}: {rows:?}");
            assert_eq!(rows.iter().filter(|row| row.kind == DayKind::Named).count(), 3, "{year}");
        }
    }
}
