//! `[[benefit]]` of `tiers.toml`: what a tier brings.

use jifen_contracts::program::{Benefit, Tier};
use jifen_kernel::Token;
use toml::Value;

use super::{File, Findings, section::Section, tiers::tier_of, values};

/// Adds the benefits to their tiers.
pub(super) fn read(file: &mut File, tiers: &mut [Tier], found: &mut Findings) {
    for mut section in file.list("benefit", false, found).unwrap_or_default() {
        let tier = section.read("tier", found, values::token);
        let benefit = one(&mut section, found);
        if let (Some(code), Some(benefit)) = (tier, benefit) {
            add(benefit, &code, tiers, &section, found);
        }
        section.finish(found);
    }
}

fn one(section: &mut Section, found: &mut Findings) -> Option<Benefit> {
    let kind = section.read("kind", found, values::token);
    let text = section.read("text", found, values::names);
    let percent = section.read_if("percent", found, values::whole(1..=100));
    let count = section.read_if("count", found, values::whole(1..=1_000));
    let months = section.read_if("months", found, values::whole(1..=60));
    let once = section.read_if("once", found, yes_or_no);
    if count == Some(None) {
        for key in ["months", "once"] {
            if section.has(key) {
                section.error(key, found, "is for countable benefits: write count too, how often a store may give it");
            }
        }
    }
    Some(Benefit {
        kind: kind?,
        text: text?,
        percent: percent?,
        count: count?,
        months: months?.unwrap_or(12),
        once: once?.unwrap_or_default(),
    })
}

fn add(benefit: Benefit, code: &Token, tiers: &mut [Tier], section: &Section, found: &mut Findings) {
    let known = values::quoted(tiers.iter().map(|tier| tier.code.clone()));
    match tier_of(tiers, code) {
        None => section.error("tier", found, format!("{code} is no tier of this file, which has {known}")),
        Some(tier) if tier.benefits.iter().any(|other| other.kind == benefit.kind) => {
            section.error("kind", found, format!("{} stands there twice for {code}: one of a kind for each tier", benefit.kind));
        }
        Some(tier) => tier.benefits.push(benefit),
    }
}

fn yes_or_no(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}
