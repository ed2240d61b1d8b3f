//! `earn.toml`: what earns how much.

mod interactions;
mod partners;
mod pending;

use std::collections::BTreeMap;

use jifen_contracts::program::{Earn, Tier};
use jifen_kernel::{Rate, Token};
use toml::Value;

use super::{File, Findings, section::Section, values};

/// Rates above this are more often a slip than a wish.
const UNUSUAL_RATE_BASIS_POINTS: u32 = 100_000;

/// Rates, caps, and what earns besides invoices. `tiers` is `None` where the ladder couldn't be read.
pub(super) fn read(mut file: File, tiers: Option<&[Tier]>, found: &mut Findings) -> Option<Earn> {
    let errors = found.errors();
    let first_spending = file.top.read("first_spending", found, values::points(0));
    let invoice_cap = file.top.read_if("invoice_cap", found, values::points(1));
    let daily_cap = file.top.read_if("daily_cap", found, values::points(1));
    let not_qualifying = file.top.read_if("not_qualifying", found, values::list(values::token));
    let rates = rates(&mut file, found);
    if let (Some(Some(named)), Some(rates)) = (&not_qualifying, &rates) {
        for category in named.iter().filter(|category| !rates.contains_key(*category)) {
            let known = values::quoted(rates.keys().take(20));
            file.top.error("not_qualifying", found, format!("{category} is not in [rates], which has {known}"));
        }
    }
    if let (Some(Some(invoice)), Some(Some(day))) = (invoice_cap, daily_cap)
        && day < invoice
    {
        file.top.warning("daily_cap", found, format!("lies below invoice_cap, {invoice}, which is never reached"));
    }
    let pending = pending::read(&mut file, rates.as_ref(), found);
    let tier_factors = tier_factors(&mut file, tiers, found);
    let interactions = interactions::read(&mut file, found);
    let partners = partners::read(&mut file, found);
    file.finish(found);
    let earn = Earn {
        rates: rates?,
        first_spending: first_spending?,
        invoice_cap: invoice_cap?,
        daily_cap: daily_cap?,
        interactions,
        partners,
        tier_factors,
        not_qualifying: not_qualifying?.unwrap_or_default(),
        pending,
    };
    (found.errors() == errors).then_some(earn)
}

fn rates(file: &mut File, found: &mut Findings) -> Option<BTreeMap<Token, Rate>> {
    let errors = found.errors();
    let mut section = file.table("rates", found)?;
    let rates = keyed(&mut section, values::rate, "it is the category that documents name", found);
    if rates.is_empty() && found.errors() == errors {
        found.error(section.line(""), "rates", "is empty: without a category every document is rejected");
    } else if !rates.is_empty() && rates.values().all(|rate| rate.is_zero()) {
        found.warning(section.line(""), "rates", "nothing earns: every rate is 0");
    }
    for (category, rate) in &rates {
        warn(category, *rate, section.line(category.as_str()), &section.key(category.as_str()), found);
    }
    Some(rates)
}

fn tier_factors(file: &mut File, tiers: Option<&[Tier]>, found: &mut Findings) -> BTreeMap<Token, Rate> {
    let Some(mut section) = file.table_if("tier_factors", found) else { return BTreeMap::new() };
    let factors = keyed(&mut section, factor, "it is the tier's code", found);
    let Some(tiers) = tiers else { return factors };
    for code in factors.keys().filter(|code| !tiers.iter().any(|tier| tier.code == **code)) {
        let known = values::quoted(tiers.iter().map(|tier| &tier.code));
        section.error(code.as_str(), found, format!("{code} is not in tiers.toml, which has {known}"));
    }
    factors
}

/// An accelerator: 1 changes nothing.
fn factor(value: &Value) -> Result<Rate, String> {
    let factor = values::rate(value)?;
    let usual = (10_000..=100_000).contains(&factor.basis_points());
    if usual { Ok(factor) } else { Err(format!("{factor} is no accelerator: it must be from 1 to 10 (1.2 gives a fifth more)")) }
}

/// A table whose keys are codes.
fn keyed(section: &mut Section, read: impl Fn(&Value) -> Result<Rate, String>, what: &str, found: &mut Findings) -> BTreeMap<Token, Rate> {
    let mut all = BTreeMap::new();
    for (line, name, value) in section.take_all() {
        let key = section.key(&name);
        let (token, rate) = (Token::try_new(name), read(&value));
        if let Err(why) = &token {
            found.error(line, &key, format!("{why}: {what}"));
        }
        if let Err(why) = &rate {
            found.error(line, &key, why);
        }
        if let (Ok(token), Ok(rate)) = (token, rate) {
            all.insert(token, rate);
        }
    }
    all
}

fn warn(category: &Token, rate: Rate, line: u32, key: &str, found: &mut Findings) {
    if rate.basis_points() > UNUSUAL_RATE_BASIS_POINTS {
        found.warning(line, key, format!("{rate} points for every yuan: a rate is points a yuan, usually about 1"));
    }
    let why = match category.as_str() {
        "insurance_premium" => "the insurance law forbids benefits for a premium",
        "stored_value_top_up" => "the same money earns again when it is spent",
        "pass_through" => "money that is only collected for others is usually left out",
        _ => return,
    };
    if !rate.is_zero() {
        found.warning(line, key, format!("earns points: {why}"));
    }
}
