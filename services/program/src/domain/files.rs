//! Rules back to files: what `check` reads as the same rules. For printing a version, and for applying one with a small change.

use std::fmt::{Display, Write};

use jifen_contracts::{
    code::Text,
    program::{Campaign, MessageTemplate, Program, Store, Tier},
};
use serde::Serialize;

use super::check::Files;

/// The files of a program, by name; `campaigns.toml` only if it has campaigns. `check(files_of(program))` is `program`.
pub fn files_of(program: &Program) -> Files {
    let mut files = Files::from([
        ("program.toml".to_owned(), lines([("name", quoted(&program.name)), ("time_zone", quoted(&program.time_zone))])),
        ("stores.toml".to_owned(), tables("store", program.stores.iter().map(store))),
        ("earn.toml".to_owned(), earn(program)),
        (
            "expiry.toml".to_owned(),
            lines([
                ("months", program.expiry.months.to_string()),
                ("mode", word(&program.expiry.mode)),
                ("min_days_after_posting", program.expiry.min_days_after_posting.to_string()),
            ]),
        ),
        ("tiers.toml".to_owned(), tables("tier", program.tiers.iter().map(tier))),
        (
            "messages.toml".to_owned(),
            format!("sign = {}\n\n{}", quoted(&program.messages.sign), tables("message", program.messages.templates.iter().map(message))),
        ),
    ]);
    if !program.campaigns.is_empty() {
        files.insert("campaigns.toml".to_owned(), tables("campaign", program.campaigns.iter().map(campaign)));
    }
    files
}

fn earn(program: &Program) -> String {
    let rates = program.earn.rates.iter().map(|(category, rate)| (category.as_str(), quoted(&rate.to_string())));
    format!("first_spending = {}\n\n[rates]\n{}", program.earn.first_spending, lines(rates))
}

fn store(store: &Store) -> String {
    let brand = store.brand.as_ref().map(|brand| ("brand", quoted(brand.as_str())));
    lines([("code", quoted(store.code.as_str())), ("name", names(&store.name))].into_iter().chain(brand))
}

fn tier(tier: &Tier) -> String {
    lines([("code", quoted(tier.code.as_str())), ("name", names(&tier.name)), ("from", tier.from.to_string())])
}

fn campaign(campaign: &Campaign) -> String {
    let list = |key, values: Vec<String>| (!values.is_empty()).then(|| (key, format!("[{}]", values.join(", "))));
    let always = [
        ("code", quoted(campaign.code.as_str())),
        ("name", names(&campaign.name)),
        ("factor", quoted(&campaign.factor.map_or_else(|| "1".to_owned(), |factor| factor.to_string()))),
        ("from", campaign.from.to_string()),
        ("to", campaign.to.to_string()),
    ];
    let sometimes = [
        list("weekdays", campaign.weekdays.iter().map(word).collect()),
        list("stores", campaign.stores.iter().map(|store| quoted(store.as_str())).collect()),
        list("categories", campaign.categories.iter().map(|category| quoted(category.as_str())).collect()),
        campaign.budget.map(|budget| ("budget", budget.to_string())),
    ];
    lines(always.into_iter().chain(sometimes.into_iter().flatten()))
}

fn message(template: &MessageTemplate) -> String {
    lines([
        ("kind", word(&template.kind)),
        ("class", word(&template.class)),
        ("template", quoted(&template.template)),
        ("text", quoted(&template.text)),
        ("valid_hours", template.valid_hours.to_string()),
    ])
}

fn names(name: &Text) -> String {
    format!("{{ zh = {}, en = {} }}", quoted(&name.zh), quoted(&name.en))
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A word of a fixed set, as in JSON.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(quoted));
    word.expect("the words of a program serialize as texts")
}

fn lines<K: Display>(fields: impl IntoIterator<Item = (K, String)>) -> String {
    fields.into_iter().fold(String::new(), |mut all, (key, value)| {
        writeln!(all, "{key} = {value}").expect("a text takes every line");
        all
    })
}

fn tables(name: &str, each: impl Iterator<Item = String>) -> String {
    each.map(|fields| format!("[[{name}]]\n{fields}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PRESETS, check, preset};

    #[test]
    fn files_of_a_program_are_read_as_that_program() {
        for name in PRESETS {
            let mut files = preset(name).expect(name);
            let campaigns = r#"
                [[campaign]]
                code = "double"
                name = { zh = "双倍\"积分\"", en = 'Double \ points' }
                factor = "1.25"
                from = 2026-10-01
                to = 2026-10-07
                weekdays = ["sat", "sun"]
                stores = ["SH01", "SH02"]
                categories = ["repair"]
                budget = 5000
                [[campaign]]
                code = "plain"
                name = { zh = "日常", en = "Plain" }
                factor = 2
                from = "2026-11-01"
                to = "2026-11-01"
            "#;
            files.insert("campaigns.toml".to_owned(), campaigns.to_owned());
            let stores = files["stores.toml"].replace("code = \"SH02\"", "code = \"SH02\"\nbrand = \"audi\"");
            files.insert("stores.toml".to_owned(), stores);
            let (program, _) = check(&files).expect(name);
            assert_eq!(check(&files_of(&program)).expect("written files").0, program);
        }
        let (points, _) = check(&preset("points").expect("preset")).expect("program");
        assert!(!files_of(&points).contains_key("campaigns.toml"));
    }
}
