//! `earn.toml`: what earns how much.

use std::collections::BTreeMap;

use jifen_contracts::program::Earn;
use jifen_kernel::{Rate, Token};

use super::{File, Findings, values};

/// Rates above this are more often a slip than a wish.
const UNUSUAL_RATE_BASIS_POINTS: u32 = 100_000;

/// Rates and the first spending.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Earn> {
    let errors = found.errors();
    let first_spending = file.top.read("first_spending", found, values::points(0));
    let mut rates = BTreeMap::new();
    if let Some(mut section) = file.table("rates", found) {
        for (line, category, value) in section.take_all() {
            let key = section.key(&category);
            let (token, rate) = (Token::try_new(category), values::rate(&value));
            if let Err(why) = &token {
                found.error(line, &key, format!("{why}: it is the category that documents name"));
            }
            if let Err(why) = &rate {
                found.error(line, &key, why);
            }
            if let (Ok(token), Ok(rate)) = (token, rate) {
                warn(&token, rate, line, &key, found);
                rates.insert(token, rate);
            }
        }
        if rates.is_empty() && found.errors() == errors {
            found.error(section.line(""), "rates", "is empty: without a category every document is rejected");
        } else if !rates.is_empty() && rates.values().all(|rate| rate.is_zero()) {
            found.warning(section.line(""), "rates", "nothing earns: every rate is 0");
        }
    }
    file.finish(found);
    let first_spending = first_spending?;
    (found.errors() == errors).then_some(Earn { rates, first_spending, ..Earn::default() })
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
