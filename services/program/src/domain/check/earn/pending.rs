//! `[pending]`: what can't be spent at once.

use std::collections::BTreeMap;

use jifen_contracts::program::PendingRule;
use jifen_kernel::{Rate, Token};
use toml::Value;

use super::super::{File, Findings, values};

/// Days or a review by category. `rates` is `None` where they couldn't be read.
pub(super) fn read(file: &mut File, rates: Option<&BTreeMap<Token, Rate>>, found: &mut Findings) -> BTreeMap<Token, PendingRule> {
    let Some(mut section) = file.table_if("pending", found) else { return BTreeMap::new() };
    let mut all = BTreeMap::new();
    for (line, name, value) in section.take_all() {
        let key = section.key(&name);
        let rule = rule(&value);
        if let Err(why) = &rule {
            found.error(line, &key, why);
        }
        let category = match Token::try_new(name) {
            Err(why) => {
                found.error(line, &key, format!("{why}: it is the category that documents name"));
                continue;
            }
            Ok(category) => category,
        };
        if let Some(rates) = rates.filter(|rates| !rates.contains_key(&category)) {
            let known = values::quoted(rates.keys().take(20));
            found.error(line, &key, format!("{category} is not in [rates], which has {known}"));
        }
        if let Ok(rule) = rule {
            all.insert(category, rule);
        }
    }
    all
}

/// A number of days, or `"review"`.
pub(super) fn rule(value: &Value) -> Result<PendingRule, String> {
    if value.as_str() == Some("review") {
        return Ok(PendingRule::Review);
    }
    values::whole(1..=365)(value).map(PendingRule::Days).map_err(|why| format!("{why}, or \"review\""))
}
