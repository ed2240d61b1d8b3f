//! The programs that ship with jifen: the folders below `deploy/programs`, compiled in so that the executable is one file.

use crate::Files;

/// Their names; `points` is what a first start stores as version 1.
pub const PRESETS: [&str; 6] = ["points", "flat", "annual-spend", "handbook", "companion", "demo"];

/// The preset of a first start.
pub const DEFAULT_PRESET: &str = "points";

/// The files of a folder: those that every preset has, and more of its own.
macro_rules! folder {
    ($name:literal $(, $file:literal)*) => {
        folder!(@ $name: "program.toml", "stores.toml", "earn.toml", "expiry.toml", "tiers.toml", "holidays.toml", "messages.toml" $(, $file)*)
    };
    (@ $name:literal: $($file:literal),*) => {
        vec![$(($file, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/programs/", $name, "/", $file)))),*]
    };
}

/// The files of a preset, by name; `None` for a name that is not in [`PRESETS`]. None has campaigns: a caller may add a
/// `campaigns.toml` of its own, as the demo does, whose double-points week depends on the day it is played.
pub fn preset(name: &str) -> Option<Files> {
    let files = match name {
        "points" => folder!("points"),
        "flat" => folder!("flat"),
        "annual-spend" => folder!("annual-spend"),
        "handbook" => folder!("handbook"),
        "companion" => folder!("companion"),
        "demo" => folder!("demo"),
        _ => return None,
    };
    Some(files.into_iter().map(|(file, content)| (file.to_owned(), content.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use jifen_contracts::program::{LadderKind, Period, Tier, TierRequirement, TierWay};
    use jifen_kernel::{Money, Points};

    use super::*;
    use crate::check;

    #[test]
    fn every_preset_is_without_findings() {
        for name in PRESETS {
            let (_, warnings) = check(&preset(name).expect(name)).expect(name);
            assert_eq!(warnings, [], "{name}");
        }
        assert_eq!(preset("nowhere"), None);
    }

    #[test]
    fn points_is_the_program_of_the_handbook() {
        let (program, _) = check(&preset("points").expect("preset")).expect("program");
        let earned = |category: &str, amount: &str| {
            let rate = program.earn.rates.iter().find(|(token, _)| token.as_str() == category).expect(category).1;
            rate.points_for(Money::try_new(amount).expect("money")).0
        };
        for (category, of_1000) in [
            ("maintenance", 1500),
            ("repair", 1000),
            ("parts", 1200),
            ("accessory", 1000),
            ("extended_warranty", 1000),
            ("package", 1500),
            ("other", 1000),
            ("vehicle", 0),
            ("stored_value_top_up", 0),
            ("pass_through", 0),
            ("insurance_premium", 0),
        ] {
            assert_eq!(earned(category, "1000.00"), of_1000, "{category}");
        }
        assert_eq!(program.earn.rates.len(), 11);
        assert_eq!((program.earn.first_spending, program.expiry.months, program.expiry.min_days_after_posting), (Points(100), 24, 30));
        let ladder: Vec<(&str, i64)> = program.tiers.iter().map(|tier| (tier.code.as_str(), tier.from.expect("a lower bound").0)).collect();
        assert_eq!(ladder, [("regular", 0), ("silver", 5_000), ("gold", 20_000), ("diamond", 50_000)]);
        assert_eq!(program.stores.iter().map(|store| store.code.as_str()).collect::<Vec<_>>(), ["SH01", "SH02", "SH03"]);
        assert_eq!((program.campaigns.len(), program.time_zone.as_str()), (0, "Asia/Shanghai"));
    }

    #[test]
    fn every_preset_has_the_holidays_of_ten_years() {
        for name in PRESETS {
            let (program, _) = check(&preset(name).expect(name)).expect(name);
            assert!(
                program.holidays == jifen_rules::seed::holidays(2026..=2035),
                "{name}: run `cargo run -p jifen-program --example holidays`"
            );
        }
    }

    #[test]
    fn flat_earns_one_point_a_yuan_wherever_points_earns() {
        let (points, _) = check(&preset("points").expect("preset")).expect("program");
        let (flat, _) = check(&preset("flat").expect("preset")).expect("program");
        for (category, rate) in &points.earn.rates {
            assert_eq!(flat.earn.rates[category].to_string(), if rate.is_zero() { "0" } else { "1" }, "{category}");
        }
        assert_eq!((flat.tiers, flat.messages, flat.expiry), (points.tiers, points.messages, points.expiry));
    }

    #[test]
    fn every_preset_has_the_interactions_of_the_documents() {
        for name in PRESETS {
            let earn = check(&preset(name).expect("preset")).expect("program").0.earn;
            let rules: Vec<_> = earn
                .interactions
                .iter()
                .map(|rule| (rule.kind.as_str(), rule.points.0, rule.limit.count, rule.limit.per, rule.within_days, rule.off))
                .collect();
            let expected = [
                ("review", 50, 1, Period::About, Some(30), false),
                ("suggestion", 200, 2, Period::Month, None, false),
                ("share", 100, 1, Period::Week, None, true),
                ("survey", 20, 1, Period::Once, None, false),
                ("follow", 30, 1, Period::Once, None, false),
                ("check_in", 5, 1, Period::Day, None, false),
                ("profile", 50, 1, Period::Once, None, false),
                ("event", 200, 1, Period::About, None, false),
            ];
            assert_eq!(rules, expected, "{name}");
            assert_eq!((earn.invoice_cap, earn.daily_cap, earn.tier_factors.len(), earn.partners.len()), (None, None, 0, 0), "{name}");
        }
    }

    #[test]
    fn a_vehicle_earns_and_qualifies_in_the_handbook_alone() {
        for name in PRESETS {
            let earn = check(&preset(name).expect("preset")).expect("program").0.earn;
            let vehicle = earn.rates.iter().find(|(category, _)| category.as_str() == "vehicle").expect("vehicle");
            let earns = (!vehicle.1.is_zero(), !earn.not_qualifying.contains(vehicle.0));
            assert_eq!(earns, (name == "handbook", name == "handbook"), "{name}");
        }
    }

    #[test]
    fn the_ladders_are_the_published_ones() {
        let shown = |name: &str| {
            let (program, _) = check(&preset(name).expect(name)).expect(name);
            let way = |way: TierWay| {
                let one = |asked: &TierRequirement| format!("{} {}", asked.metric.as_str(), asked.at_least.units());
                way.all.iter().map(one).collect::<Vec<_>>().join(" & ")
            };
            let tier = |tier: &Tier| format!("{}: {}", tier.code, tier.ways().map(way).collect::<Vec<_>>().join(", "));
            (program.ladder.kind, program.tiers.iter().map(tier).collect::<Vec<_>>())
        };
        assert_eq!(
            shown("points"),
            (
                LadderKind::Lifetime,
                ["regular: points 0", "silver: points 5000", "gold: points 20000", "diamond: points 50000"].map(str::to_owned).into()
            )
        );
        let annual = [
            "silver: points 0",
            "gold: spend_12m 500000, referrals_purchase_12m 1",
            "platinum: spend_12m 1500000, referrals_purchase_12m 3",
            "diamond: spend_12m 5000000, invitation_12m 1",
        ];
        assert_eq!(shown("annual-spend"), (LadderKind::Yearly, annual.map(str::to_owned).into()));
        let handbook = [
            "regular: points 0",
            "silver: points 5000, vehicle_amount_12m 5000000, paid_visits 3, invitation 1",
            "gold: points 15000, vehicle_amount 15000000, high_spend_years 3, listed_models 1, approval 1",
        ];
        assert_eq!(shown("handbook"), (LadderKind::Lifetime, handbook.map(str::to_owned).into()));
        let companion =
            ["explorer: points 0", "companion: vehicles 2, referrals_purchase 1, referrals_service 1", "co_creator: participation 3"];
        assert_eq!(shown("companion"), (LadderKind::Lifetime, companion.map(str::to_owned).into()));
        let (annual, _) = check(&preset("annual-spend").expect("preset")).expect("program");
        let benefits =
            |place: usize| annual.tiers[place].benefits.iter().map(|one| (one.kind.as_str(), one.percent, one.count)).collect::<Vec<_>>();
        assert_eq!(benefits(1)[0], ("labour_discount", Some(15), None));
        assert_eq!(benefits(2)[..2], [("labour_discount", Some(20), None), ("wash", None, Some(6))]);
        assert_eq!(benefits(3)[0], ("labour_discount", Some(30), None));
    }

    #[test]
    fn the_demo_differs_from_the_default_by_its_name_alone() {
        let (points, demo) = (preset("points").expect("preset"), preset("demo").expect("preset"));
        let different: Vec<&String> = points.keys().filter(|file| points[*file] != demo[*file]).collect();
        assert_eq!(different, ["program.toml"]);
    }
}
