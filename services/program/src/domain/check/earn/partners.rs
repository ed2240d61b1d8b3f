//! `[[partner]]`: whose purchases earn, at which rate and up to which budget.

use std::collections::HashMap;

use jifen_contracts::program::Partner;
use toml::Value;

use super::super::{File, Findings, section::Section, values};
use super::UNUSUAL_RATE_BASIS_POINTS;

/// The partners, in their order.
pub(super) fn read(file: &mut File, found: &mut Findings) -> Vec<Partner> {
    let mut partners: Vec<Partner> = Vec::new();
    let mut lines = HashMap::new();
    for mut section in file.list("partner", false, found).unwrap_or_default() {
        let partner = one(&mut section, found);
        if let Some(partner) = &partner {
            if let Some(line) = lines.insert(partner.code.clone(), section.line("code")) {
                section.error("code", found, format!("{} stands there twice: the first is in line {line}", partner.code));
            }
            if partner.rate.basis_points() > UNUSUAL_RATE_BASIS_POINTS {
                section.warning("rate", found, format!("{} points for every yuan: usually it is below 1", partner.rate));
            }
        }
        section.finish(found);
        partners.extend(partner);
    }
    partners
}

fn one(section: &mut Section, found: &mut Findings) -> Option<Partner> {
    let code = section.read("code", found, code);
    let name = section.read("name", found, values::names);
    let rate = section.read("rate", found, values::rate);
    let budget = section.read_if("budget", found, values::points(1));
    Some(Partner { code: code?, name: name?, rate: rate?, budget: budget? })
}

/// A partner's code, as documents write it.
fn code(value: &Value) -> Result<String, String> {
    let code = values::string(value)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if (1..=32).contains(&code.len()) && code.bytes().all(plain) {
        Ok(code.to_owned())
    } else {
        Err("must be 1 to 32 of a-z, 0-9, - and _".to_owned())
    }
}
