//! `campaigns.toml`: time-bound offers, and how they are combined. The file may be missing, and be empty.

use std::collections::HashMap;

use jifen_contracts::program::{
    Campaign, Earn, FixedBonus, Holiday, LunarDay, Stacking, StackingMode, Store, TIER_ACCELERATOR, Tier, VehicleAudience, Weekday,
};
use jifen_kernel::{Rate, StoreCode, Token};
use jifen_rules::{calendar::Calendar, condition::Condition};
use toml::Value;

use super::{File, Findings, campaign_days, section::Section, values};

const MODES: &[&str] = &["best_of", "additive", "multiplicative"];
const WEEKDAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn factor(value: &Value) -> Result<Rate, String> {
    let factor = values::rate(value)?;
    if (10_001..=1_000_000).contains(&factor.basis_points()) {
        Ok(factor)
    } else {
        Err(format!("{factor} is no multiplier: it must be above 1 and at most 100 (2 doubles the points)"))
    }
}

fn ceiling(value: &Value) -> Result<Rate, String> {
    factor(value).map_err(|_| "must be above 1 and at most 100: what the factors of a category come to".to_owned())
}

/// The files that campaigns refer to; `None` where one couldn't be read.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) stores: Option<&'a [Store]>,
    pub(super) earn: Option<&'a Earn>,
    pub(super) tiers: Option<&'a [Tier]>,
    pub(super) holidays: Option<&'a [Holiday]>,
}

/// The campaigns, in the order of their publication, and how they are combined.
pub(super) fn read(mut file: File, known: Known<'_>, found: &mut Findings) -> Option<(Vec<Campaign>, Stacking)> {
    let errors = found.errors();
    let stacking = stacking(&mut file, found);
    let mut campaigns: Vec<Campaign> = Vec::new();
    let mut lines = HashMap::new();
    let calendar = known.holidays.map(Calendar::new);
    for mut section in file.list("campaign", false, found).unwrap_or_default() {
        let campaign = one(&mut section, found);
        if let Some(campaign) = &campaign {
            if let Some(line) = lines.insert(campaign.code.clone(), section.line("code")) {
                section.error("code", found, format!("{} stands there twice: the first is in line {line}", campaign.code));
            }
            judge_whole(campaign, &section, found);
            judge_stores(&campaign.stores, known.stores, &section, found);
            judge_categories(&campaign.categories, known.earn, &section, found);
            judge_tiers(&campaign.tiers, known.tiers, &section, found);
            if let (Some(calendar), Some(holidays)) = (&calendar, known.holidays) {
                campaign_days::judge(campaign, calendar, holidays, &section, found);
            }
        }
        section.finish(found);
        campaigns.extend(campaign);
    }
    file.finish(found);
    let stacking = stacking?;
    (found.errors() == errors).then_some((campaigns, stacking))
}

fn stacking(file: &mut File, found: &mut Findings) -> Option<Stacking> {
    let Some(mut section) = file.table_if("stacking", found) else { return Some(Stacking::default()) };
    let mode = section.read("mode", found, values::word::<StackingMode>(MODES));
    let ceiling = section.read_if("ceiling", found, ceiling);
    if mode == Some(StackingMode::Multiplicative) && ceiling == Some(None) {
        section.error("mode", found, "needs a ceiling: a few campaigns together come to more than anybody means");
    }
    section.finish(found);
    Some(Stacking { mode: mode?, ceiling: ceiling? })
}

fn one(section: &mut Section, found: &mut Findings) -> Option<Campaign> {
    let code = section.read("code", found, values::token);
    let name = section.read("name", found, values::names);
    let goal = section.read_if("goal", found, values::names);
    let factor = section.read_if("factor", found, factor);
    let bonus = section.read_if("bonus", found, fixed_bonus);
    let from = section.read("from", found, values::day);
    let to = section.read("to", found, values::day);
    let weekdays = section.read_if("weekdays", found, values::list(values::word::<Weekday>(WEEKDAYS)));
    let month_days = section.read_if("month_days", found, values::list(month_day));
    let festivals = section.read_if("festivals", found, values::list(values::token));
    let lunar = section.read_if("lunar", found, values::list(lunar_day));
    let birthday_month = section.read_if("birthday_month", found, values::flag);
    let stores = section.read_if("stores", found, values::list(values::store_code));
    let categories = section.read_if("categories", found, values::list(values::token));
    let tiers = section.read_if("tiers", found, values::list(values::token));
    let vehicle = section.read_if("vehicle", found, vehicle);
    let condition = section.read_if("condition", found, condition);
    let budget = section.read_if("budget", found, values::points(1));
    let member_cap = section.read_if("member_cap", found, values::points(1));
    let exclusive = section.read_if("exclusive", found, values::flag);
    let preheat_days = section.read_if("preheat_days", found, values::whole(3..=7));
    let post_after_days = section.read_if("post_after_days", found, values::whole(1..=30));
    Some(Campaign {
        code: code?,
        name: name?,
        goal: goal?,
        factor: factor?,
        bonus: bonus?,
        from: from?,
        to: to?,
        weekdays: weekdays?.unwrap_or_default(),
        month_days: month_days?.unwrap_or_default(),
        festivals: festivals?.unwrap_or_default(),
        lunar: lunar?.unwrap_or_default(),
        birthday_month: birthday_month?.unwrap_or_default(),
        stores: stores?.unwrap_or_default(),
        categories: categories?.unwrap_or_default(),
        tiers: tiers?.unwrap_or_default(),
        vehicle: vehicle?,
        condition: condition?,
        budget: budget?,
        member_cap: member_cap?,
        exclusive: exclusive?.unwrap_or_default(),
        preheat_days: preheat_days?,
        post_after_days: post_after_days?,
    })
}

fn fixed_bonus(value: &Value) -> Result<FixedBonus, String> {
    let [points, from_paid] = values::fields(value, ["points", "from_paid"])?;
    Ok(FixedBonus {
        points: values::points(1)(points).map_err(|why| format!("points {why}"))?,
        from_paid: values::money(from_paid).map_err(|why| format!("from_paid {why}"))?,
    })
}

/// Which cars: by series, by age, or by both.
fn vehicle(value: &Value) -> Result<VehicleAudience, String> {
    const KEYS: [&str; 3] = ["series", "from_months", "below_months"];
    let wanted = || "must be { series = [\"…\"], from_months = …, below_months = … }, or some of these".to_owned();
    let fields = value.as_table().filter(|fields| !fields.is_empty()).ok_or_else(wanted)?;
    if let Some(other) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("{}: {other} is unknown", wanted()));
    }
    let months = |key: &str| {
        let read = |value| values::whole(1..=600)(value).map_err(|why| format!("{key} {why}"));
        fields.get(key).map(read).transpose()
    };
    let series = fields.get("series").map(|value| values::list(values::text(1..=64))(value).map_err(|why| format!("series {why}")));
    let vehicle = VehicleAudience {
        series: series.transpose()?.unwrap_or_default(),
        from_months: months("from_months")?,
        below_months: months("below_months")?,
    };
    match (vehicle.from_months, vehicle.below_months) {
        (Some(from), Some(below)) if from >= below => Err(format!("no car is {from} months old and below {below}")),
        _ => Ok(vehicle),
    }
}

fn month_day(value: &Value) -> Result<i32, String> {
    let day = value.as_integer().and_then(|day| i32::try_from(day).ok()).filter(|day| *day == -1 || (1..=31).contains(day));
    day.ok_or_else(|| "must be a day of the month from 1 to 31, or -1 for its last".to_owned())
}

fn lunar_day(value: &Value) -> Result<LunarDay, String> {
    let [month, day] = values::fields(value, ["month", "day"])?;
    Ok(LunarDay {
        month: values::whole(1..=12)(month).map_err(|why| format!("month {why}"))?,
        day: values::whole(1..=30)(day).map_err(|why| format!("day {why}"))?,
    })
}

fn condition(value: &Value) -> Result<String, String> {
    let text = values::string(value)?;
    Condition::compile(text).map_err(|why| why.to_string())?;
    Ok(text.to_owned())
}

fn judge_whole(campaign: &Campaign, section: &Section, found: &mut Findings) {
    if campaign.code.as_str() == TIER_ACCELERATOR {
        section.error("code", found, format!("{TIER_ACCELERATOR} is the tiers' own: see tier_factors in earn.toml"));
    }
    if campaign.factor.is_none() && campaign.bonus.is_none() {
        section.error("factor", found, "is missing: a campaign has a factor, a bonus, or both");
    }
    if campaign.from > campaign.to {
        section.error("to", found, format!("the last day lies before the first, {}", campaign.from));
    }
}

fn judge_stores(named: &[StoreCode], stores: Option<&[Store]>, section: &Section, found: &mut Findings) {
    let Some(stores) = stores else { return };
    for code in named.iter().filter(|code| !stores.iter().any(|store| store.code == **code)) {
        let known = values::quoted(stores.iter().take(20).map(|store| &store.code));
        section.error("stores", found, format!("{code} is not in stores.toml, which has {known}"));
    }
}

fn judge_categories(named: &[Token], earn: Option<&Earn>, section: &Section, found: &mut Findings) {
    let Some(earn) = earn else { return };
    for category in named {
        match earn.rates.get(category) {
            None => {
                let known = values::quoted(earn.rates.keys().take(20));
                section.error("categories", found, format!("{category} is not in earn.toml, which has {known}"));
            }
            Some(rate) if rate.is_zero() => {
                section.warning("categories", found, format!("{category} earns nothing, so nothing is multiplied"));
            }
            Some(_) => {}
        }
    }
}

fn judge_tiers(named: &[Token], tiers: Option<&[Tier]>, section: &Section, found: &mut Findings) {
    let Some(tiers) = tiers else { return };
    for code in named.iter().filter(|code| !tiers.iter().any(|tier| tier.code == **code)) {
        let known = values::quoted(tiers.iter().map(|tier| &tier.code));
        section.error("tiers", found, format!("{code} is not in tiers.toml, which has {known}"));
    }
}
