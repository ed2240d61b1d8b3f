//! `tiers.toml`: the ladder.

use std::collections::HashMap;

use jifen_contracts::program::Tier;
use jifen_kernel::Points;

use super::{File, Findings, stores::NAME_SHOWN, values};

/// The ladder, lowest first.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Vec<Tier>> {
    let errors = found.errors();
    let mut tiers: Vec<Tier> = Vec::new();
    let mut lines = HashMap::new();
    let mut below: Option<Points> = None;
    for (place, mut section) in file.list("tier", true, found)?.into_iter().enumerate() {
        let code = section.read("code", found, values::token);
        let name = section.read("name", found, values::names);
        let from = section.read("from", found, values::points(0));
        if let Some(code) = &code
            && let Some(line) = lines.insert(code.clone(), section.line("code"))
        {
            section.error("code", found, format!("{code} stands there twice: the first is in line {line}"));
        }
        if name.as_ref().is_some_and(|name| name.zh.chars().count() > NAME_SHOWN) {
            section.warning("name", found, format!("messages show only the first {NAME_SHOWN} characters"));
        }
        match from {
            Some(from) if place == 0 && from != Points::ZERO => {
                section.error("from", found, "the lowest tier must begin at 0: every member has a tier");
            }
            Some(from) if below.is_some_and(|below| from <= below) => {
                let below = below.unwrap_or_default();
                section.error("from", found, format!("must be above {below}: tiers stand in order, the lowest first"));
            }
            _ => {}
        }
        below = from.or(below);
        section.finish(found);
        if let (Some(code), Some(name), Some(from)) = (code, name, from) {
            tiers.push(Tier { code, name, from });
        }
    }
    file.finish(found);
    (found.errors() == errors).then_some(tiers)
}
