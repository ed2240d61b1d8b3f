//! `[[interaction]]`: what reviews, suggestions, check-ins and the like earn, and how often.

use std::collections::HashMap;

use jifen_contracts::program::{InteractionRule, Limit, Period};
use toml::Value;

use super::super::{File, Findings, section::Section, values};

const PERIODS: &[&str] = &["once", "day", "week", "month", "year", "about"];

/// The rules, in their order.
pub(super) fn read(file: &mut File, found: &mut Findings) -> Vec<InteractionRule> {
    let mut rules: Vec<InteractionRule> = Vec::new();
    let mut lines = HashMap::new();
    for mut section in file.list("interaction", false, found).unwrap_or_default() {
        let rule = one(&mut section, found);
        if let Some(rule) = &rule {
            if let Some(line) = lines.insert(rule.kind.clone(), section.line("kind")) {
                section.error("kind", found, format!("{} stands there twice: the first is in line {line}", rule.kind));
            }
            judge(rule, &section, found);
        }
        section.finish(found);
        rules.extend(rule);
    }
    rules
}

fn one(section: &mut Section, found: &mut Findings) -> Option<InteractionRule> {
    let kind = section.read("kind", found, values::token);
    let name = section.read("name", found, values::names);
    let points = section.read("points", found, values::points(1));
    let limit = section.read("limit", found, limit);
    let within_days = section.read_if("within_days", found, values::whole(0..=365));
    let off = section.read_if("off", found, values::flag);
    let pending = section.read_if("pending", found, super::pending::rule);
    Some(InteractionRule {
        kind: kind?,
        name: name?,
        points: points?,
        limit: limit?,
        within_days: within_days?,
        off: off?.unwrap_or_default(),
        pending: pending?,
    })
}

/// `{ count = 2, per = "month" }`.
fn limit(value: &Value) -> Result<Limit, String> {
    let wanted = || "must be { count = 2, per = \"month\" }".to_owned();
    let fields = value.as_table().ok_or_else(wanted)?;
    if let Some(other) = fields.keys().find(|key| !["count", "per"].contains(&key.as_str())) {
        return Err(format!("{}: {other} is unknown", wanted()));
    }
    let field = |name: &str| fields.get(name).ok_or_else(|| format!("{}: {name} is missing", wanted()));
    let count = values::whole(1..=1_000)(field("count")?).map_err(|why| format!("count {why}"))?;
    let per: Period = values::word(PERIODS)(field("per")?).map_err(|why| format!("per {why}"))?;
    Ok(Limit { count, per })
}

fn judge(rule: &InteractionRule, section: &Section, found: &mut Findings) {
    if rule.kind.as_str() == "share" && !rule.off {
        section.warning("kind", found, "earns points: WeChat forbids rewards for sharing");
    }
    if rule.within_days.is_some() && !matches!(rule.limit.per, Period::About) {
        section.warning("within_days", found, "asks for an order, but the limit isn't per order: write per = \"about\"");
    }
}
