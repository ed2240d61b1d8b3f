//! Whom a campaign is for, as far as that can be said before anybody comes: by store, tier, month of birth and car.

use chrono::{Datelike, Months, NaiveDate};
use jifen_contracts::program::{Campaign, VehicleAudience};
use jifen_kernel::{StoreCode, Token};

/// Who may take part. An empty list is everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// Members of these stores: an offer of one store is told to those who registered there.
    pub stores: Vec<StoreCode>,
    /// Members of these tiers.
    pub tiers: Vec<Token>,
    /// The tier of members that never rose.
    pub lowest_tier: Option<Token>,
    /// Members born in these months.
    pub birthday_months: Vec<i16>,
    /// The year whose birthdays count.
    pub year: i32,
    /// Members with such a car.
    pub vehicle: Option<VehicleAudience>,
    /// The day on which it is so old.
    pub on: NaiveDate,
}

impl Audience {
    /// The audience of a campaign.
    pub fn of(campaign: &Campaign, lowest_tier: Option<&Token>) -> Self {
        let birthday_months = if campaign.birthday_month { months(campaign.from, campaign.to) } else { Vec::new() };
        Self {
            stores: campaign.stores.clone(),
            tiers: campaign.tiers.clone(),
            lowest_tier: lowest_tier.cloned(),
            birthday_months,
            year: campaign.from.year(),
            vehicle: campaign.vehicle.clone(),
            on: campaign.from,
        }
    }
}

/// The months of a period, at most a whole year of them.
fn months(from: NaiveDate, to: NaiveDate) -> Vec<i16> {
    let first = from.with_day(1).unwrap_or(from);
    let all = (0..12).filter_map(|ahead| first.checked_add_months(Months::new(ahead))).take_while(|month| *month <= to);
    all.filter_map(|month| i16::try_from(month.month()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::given::campaign;

    #[test]
    fn birthdays_are_those_of_the_campaigns_months() {
        let months = |from: &str, to: &str, birthday: bool| {
            Audience::of(&campaign("c", "2", json!({ "birthday_month": birthday, "from": from, "to": to })), None).birthday_months
        };
        assert_eq!(months("2026-11-30", "2027-02-01", true), [11, 12, 1, 2]);
        assert_eq!(months("2026-01-15", "2099-02-01", true).len(), 12);
        assert!(months("2026-11-30", "2027-02-01", false).is_empty());
    }
}
