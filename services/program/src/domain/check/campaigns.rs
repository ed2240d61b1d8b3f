//! `campaigns.toml`: time-bound multipliers. The file may be missing, and be empty.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use jifen_contracts::program::{Campaign, Earn, Store, Weekday};
use jifen_kernel::{Rate, StoreCode, Token};
use toml::Value;

use super::{File, Findings, section::Section, values};

const WEEKDAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn factor(value: &Value) -> Result<Rate, String> {
    let factor = values::rate(value)?;
    if (10_001..=1_000_000).contains(&factor.basis_points()) {
        Ok(factor)
    } else {
        Err(format!("{factor} is no multiplier: it must be above 1 and at most 100 (2 doubles the points)"))
    }
}

/// The campaigns, in the order of their publication. `stores` and `earn` are `None` where their files couldn't be read.
pub(super) fn read(mut file: File, stores: Option<&[Store]>, earn: Option<&Earn>, found: &mut Findings) -> Option<Vec<Campaign>> {
    let errors = found.errors();
    let mut campaigns: Vec<Campaign> = Vec::new();
    let mut lines = HashMap::new();
    for mut section in file.list("campaign", false, found).unwrap_or_default() {
        let campaign = one(&mut section, found);
        if let Some(campaign) = &campaign {
            if let Some(line) = lines.insert(campaign.code.clone(), section.line("code")) {
                section.error("code", found, format!("{} stands there twice: the first is in line {line}", campaign.code));
            }
            judge_period(campaign, &section, found);
            judge_stores(&campaign.stores, stores, &section, found);
            judge_categories(&campaign.categories, earn, &section, found);
        }
        section.finish(found);
        campaigns.extend(campaign);
    }
    file.finish(found);
    (found.errors() == errors).then_some(campaigns)
}

fn one(section: &mut Section, found: &mut Findings) -> Option<Campaign> {
    let code = section.read("code", found, values::token);
    let name = section.read("name", found, values::names);
    let factor = section.read("factor", found, factor);
    let from = section.read("from", found, values::day);
    let to = section.read("to", found, values::day);
    let weekdays = section.read_if("weekdays", found, values::list(values::word::<Weekday>(WEEKDAYS)));
    let stores = section.read_if("stores", found, values::list(values::store_code));
    let categories = section.read_if("categories", found, values::list(values::token));
    let budget = section.read_if("budget", found, values::points(1));
    Some(Campaign {
        code: code?,
        name: name?,
        factor: Some(factor?),
        from: from?,
        to: to?,
        weekdays: weekdays?.unwrap_or_default(),
        stores: stores?.unwrap_or_default(),
        categories: categories?.unwrap_or_default(),
        budget: budget?,
        goal: None,
        bonus: None,
        month_days: Vec::new(),
        festivals: Vec::new(),
        lunar: Vec::new(),
        birthday_month: false,
        tiers: Vec::new(),
        condition: None,
        member_cap: None,
        exclusive: false,
        preheat_days: None,
        post_after_days: None,
    })
}

fn judge_period(campaign: &Campaign, section: &Section, found: &mut Findings) {
    if campaign.from > campaign.to {
        section.error("to", found, format!("the last day lies before the first, {}", campaign.from));
        return;
    }
    let on = |day: &NaiveDate| campaign.weekdays.contains(&Weekday::from(day.weekday()));
    // Seven days hold every day of the week.
    let days = campaign.from.iter_days().take_while(|day| *day <= campaign.to).take(7);
    if !campaign.weekdays.is_empty() && !days.into_iter().any(|day| on(&day)) {
        section.warning("weekdays", found, format!("never applies: none of these days lies from {} to {}", campaign.from, campaign.to));
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
