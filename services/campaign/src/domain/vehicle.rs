//! Which cars a campaign is for: the one that the bill names, if it is the member's; any of the member's where it names none.

use chrono::{Months, NaiveDate};
use jifen_contracts::{KeyedHash, event::VehicleKeys, program::VehicleAudience};

/// Whether one of these cars of a member is of an audience on a day, `named` alone if the bill names one. A car of which nobody
/// has said what the audience asks is none of it.
pub fn is_of_audience(audience: &VehicleAudience, cars: &[VehicleKeys], named: Option<&KeyedHash>, on: NaiveDate) -> bool {
    let is_named = |car: &VehicleKeys| named.is_none() || car.vin.as_ref() == named || car.plate.as_ref() == named;
    cars.iter().any(|car| is_named(car) && holds(audience, car, on))
}

fn holds(audience: &VehicleAudience, car: &VehicleKeys, on: NaiveDate) -> bool {
    let months_old = |months: u32| car.new_on.and_then(|new_on| new_on.checked_add_months(Months::new(months)));
    (audience.series.is_empty() || car.series.as_ref().is_some_and(|series| audience.series.contains(series)))
        && audience.from_months.is_none_or(|months| months_old(months).is_some_and(|day| day <= on))
        && audience.below_months.is_none_or(|months| months_old(months).is_some_and(|day| on < day))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::{car, day};

    #[test]
    fn a_car_is_of_its_series_and_of_its_age() {
        let audience = |series: &[&str], from_months, below_months| VehicleAudience {
            series: series.iter().map(ToString::to_string).collect(),
            from_months,
            below_months,
        };
        let cars = [car("v1", Some("朗逸"), Some("2023-10-31")), car("v2", None, None)];
        let is = |audience: &VehicleAudience, named: Option<&str>, on: &str| {
            is_of_audience(audience, &cars, named.map(|key| KeyedHash(key.to_owned())).as_ref(), day(on))
        };
        let lavida = audience(&["途观", "朗逸"], None, None);
        let cases = [(None, true), (Some("v1"), true), (Some("v2"), false), (Some("plate of v1"), true), (Some("v3"), false)];
        for (named, expected) in cases {
            assert_eq!(is(&lavida, named, "2026-10-01"), expected, "{named:?}");
        }
        assert!(!is(&audience(&["途观"], None, None), None, "2026-10-01"));
        // Three years old on the last day of October; whole months, so 28 February counts for the 31st.
        let old = audience(&[], Some(36), None);
        let young = audience(&["朗逸"], None, Some(28));
        assert_eq!([is(&old, None, "2026-10-30"), is(&old, None, "2026-10-31")], [false, true]);
        assert_eq!([is(&young, None, "2026-02-27"), is(&young, None, "2026-02-28")], [true, false]);
        assert!(!is(&old, Some("v2"), "2099-01-01"), "nobody knows how old it is");
    }
}
