//! `tiers.toml`: the ladder, its conditions and its benefits.

use std::collections::HashMap;

use jifen_contracts::program::{Earn, Ladder, LadderKind, Tier, TierMeasure, TierMetric, TierRequirement, TierWay};
use jifen_kernel::{Money, Points, Token};
use toml::Value;

use super::{File, Findings, benefits, section::Section, stores::NAME_SHOWN, values};

/// The most days of warning or grace: a year must not reach into the one behind the next.
const MOST_DAYS: u32 = 180;

/// The ladder, lowest first, and what holds for all of it.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<(Vec<Tier>, Ladder)> {
    let errors = found.errors();
    let ladder = ladder(&mut file.top, found);
    let mut tiers: Vec<Tier> = Vec::new();
    let mut lines = HashMap::new();
    let mut below: Option<Points> = None;
    for (place, mut section) in file.list("tier", true, found)?.into_iter().enumerate() {
        let code = section.read("code", found, values::token);
        let name = section.read("name", found, values::names);
        let from = section.read_if("from", found, values::points(0));
        let any = section.read_if("any", found, values::list(way));
        if let Some(code) = &code
            && let Some(line) = lines.insert(code.clone(), section.line("code"))
        {
            section.error("code", found, format!("{code} stands there twice: the first is in line {line}"));
        }
        if name.as_ref().is_some_and(|name| name.zh.chars().count() > NAME_SHOWN) {
            section.warning("name", found, format!("messages show only the first {NAME_SHOWN} characters"));
        }
        if let (Some(from), Some(any)) = (from, &any) {
            judge_steps(place, from, any.as_deref(), below, &section, found);
        }
        if let (Some(any), Some(ladder)) = (&any, &ladder) {
            judge_ways(any.as_deref().unwrap_or_default(), from.flatten(), ladder, &section, found);
        }
        below = from.flatten().or(below);
        section.finish(found);
        if let (Some(code), Some(name), Some(from), Some(any)) = (code, name, from, any) {
            tiers.push(Tier { code, name, from, any: any.unwrap_or_default(), benefits: Vec::new() });
        }
    }
    benefits::read(&mut file, &mut tiers, found);
    file.finish(found);
    if found.errors() == errors { Some((tiers, ladder?)) } else { None }
}

fn ladder(top: &mut Section, found: &mut Findings) -> Option<Ladder> {
    let usual = Ladder::default();
    let kind = top.read_if("kind", found, values::word::<LadderKind>(&["lifetime", "yearly"]));
    let warning_days = top.read_if("warning_days", found, values::whole(1..=MOST_DAYS));
    let grace_days = top.read_if("grace_days", found, values::whole(0..=MOST_DAYS));
    let spend_excludes = top.read_if("spend_excludes", found, values::list(values::token));
    let participation = top.read_if("participation", found, values::list(values::token));
    let high_spend = top.read_if("high_spend", found, amount);
    let listed_series = top.read_if("listed_series", found, values::list(values::text(1..=40)));
    Some(Ladder {
        kind: kind?.unwrap_or_default(),
        warning_days: warning_days?.unwrap_or(usual.warning_days),
        grace_days: grace_days?.unwrap_or(usual.grace_days),
        spend_excludes: spend_excludes?.unwrap_or(usual.spend_excludes),
        participation: participation?.unwrap_or_default(),
        high_spend: high_spend?,
        listed_series: listed_series?.unwrap_or_default(),
    })
}

/// What the ladder names of `earn.toml`, which is read behind it, is there. `content` says in which line it was named.
pub(super) fn judge_earn(ladder: &Ladder, earn: &Earn, content: &str, found: &mut Findings) {
    let line = |key| content.lines().zip(1..).find(|(line, _)| line.trim_start().starts_with(key)).map_or(0, |(_, number)| number);
    // What the file doesn't name is the usual, which not every group sells.
    if ladder.spend_excludes != Ladder::default().spend_excludes {
        for category in ladder.spend_excludes.iter().filter(|category| !earn.rates.contains_key(*category)) {
            let known = values::quoted(earn.rates.keys().take(20));
            found.error(line("spend_excludes"), "spend_excludes", format!("{category} is not in earn.toml, which has {known}"));
        }
    }
    for kind in ladder.participation.iter().filter(|kind| !earn.interactions.iter().any(|rule| rule.kind == **kind)) {
        let known = values::quoted(earn.interactions.iter().map(|rule| &rule.kind));
        found.error(line("participation"), "participation", format!("{kind} is no interaction of earn.toml, which has {known}"));
    }
}

/// The lowest begins at 0, the others have a way to them, and their lower bounds rise.
fn judge_steps(
    place: usize,
    from: Option<Points>,
    any: Option<&[TierWay]>,
    below: Option<Points>,
    section: &Section,
    found: &mut Findings,
) {
    match (place, from) {
        (0, from) if from != Some(Points::ZERO) => {
            section.error("from", found, "the lowest tier must begin at 0: every member has a tier");
        }
        (0, _) if any.is_some() => section.error("any", found, "the lowest tier asks for nothing: every member has it"),
        (0, _) => {}
        (_, None) if any.is_none() => {
            section.error(
                "from",
                found,
                "is missing: write from (cumulative qualifying points), any = [{ spend_12m = \"5000\" }], or both",
            );
        }
        (_, Some(from)) if below.is_some_and(|below| from <= below) => {
            let below = below.unwrap_or_default();
            section.error("from", found, format!("must be above {below}: tiers stand in order, the lowest first"));
        }
        _ => {}
    }
}

/// Conditions that need a setting of the ladder have it; those of a yearly ladder can be lost.
fn judge_ways(any: &[TierWay], from: Option<Points>, ladder: &Ladder, section: &Section, found: &mut Findings) {
    let all = || any.iter().flat_map(|way| &way.all);
    let asks = |measure| all().any(|requirement| requirement.metric.measure() == measure);
    if asks(TierMeasure::HighSpendYears) && ladder.high_spend.is_none() {
        section.error("any", found, "high_spend_years needs high_spend at the top of the file: the amount that makes such a year");
    }
    if asks(TierMeasure::ListedModels) && ladder.listed_series.is_empty() {
        section.error("any", found, "listed_models needs listed_series at the top of the file: the series that count");
    }
    let for_ever = |way: &TierWay| way.all.iter().all(|requirement| !requirement.metric.trailing());
    if ladder.kind == LadderKind::Yearly && (from.is_some_and(Points::is_positive) || any.iter().any(for_ever)) {
        let key = if any.iter().any(for_ever) { "any" } else { "from" };
        section.warning(key, found, "once reached it is never lost, though the ladder is yearly: metrics of a year end with _12m");
    }
}

/// `{ spend_12m = "5000", paid_visits = 3 }`: all of these.
fn way(value: &Value) -> Result<TierWay, String> {
    let fields = value.as_table().filter(|fields| !fields.is_empty());
    let fields = fields.ok_or("must be { metric = at least, … }: several in one pair of braces must hold together")?;
    let mut all = Vec::with_capacity(fields.len());
    for (key, value) in fields {
        let known = || format!("{key} is no metric: there are {}", values::quoted(TierMetric::ALL.iter().map(|metric| metric.as_str())));
        let metric = TierMetric::ALL.iter().copied().find(|metric| metric.as_str() == key).ok_or_else(known)?;
        let units =
            if metric.measure().is_amount() { amount(value).map(Money::fen) } else { values::points(1)(value).map(|count| count.0) };
        let units = units.map_err(|why| format!("{key} {}", why.replace(" of points", "")))?;
        all.push(TierRequirement { metric, at_least: metric.value(units) });
    }
    Ok(TierWay { all })
}

/// Yuan above 0: `"5000"`, `"5000.50"`, or a whole number without quotes.
fn amount(value: &Value) -> Result<Money, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        _ => return Err("must be an amount in yuan, in quotes: \"5000\"".to_owned()),
    };
    let amount = Money::try_new(&text).map_err(|why| why.to_string())?;
    if amount.is_positive() { Ok(amount) } else { Err("must be above 0".to_owned()) }
}

/// The tier of this code.
pub(super) fn tier_of<'a>(tiers: &'a mut [Tier], code: &Token) -> Option<&'a mut Tier> {
    tiers.iter_mut().find(|tier| tier.code == *code)
}
