//! The ways to a member beside SMS: `wechat`, `app` and `email` of a message. What WeChat's subscription messages take is a field
//! of a type (`thing1`, `number2`); a type that no value of the parameter fits is found here, not at the gateway.

use std::collections::BTreeMap;

use jifen_contracts::{
    notify::Channel,
    program::{ChannelTemplate, MessageKind, ParamForm, Tier},
};
use toml::Value;

use super::{
    super::{Findings, section::Section, values},
    template, text,
};

pub(super) const CHANNELS: &[&str] = &["sms", "wechat", "app", "email"];
/// Those with a template of their own, each under its key.
const WAYS: [(Channel, &str); 3] = [(Channel::Wechat, "wechat"), (Channel::App, "app"), (Channel::Email, "email")];
/// Data fields of one subscription message.
const FIELDS: usize = 5;
/// Characters of a `phrase`.
const PHRASE_CHARS: usize = 5;

pub(super) fn read(
    kind: Option<MessageKind>,
    order: &[Channel],
    tiers: Option<&[Tier]>,
    section: &mut Section,
    found: &mut Findings,
) -> Option<BTreeMap<Channel, ChannelTemplate>> {
    let mut ways = BTreeMap::new();
    let mut right = true;
    for (channel, key) in WAYS {
        match section.read_if(key, found, |value| way(channel, kind, tiers, value)) {
            Some(Some(way)) => drop(ways.insert(channel, way)),
            Some(None) if order.contains(&channel) => {
                section.error("channels", found, format!("{key} is tried, but {key} = {{ template = \"…\" }} is missing"));
                right = false;
            }
            Some(None) => {}
            None => right = false,
        }
    }
    right.then_some(ways)
}

fn way(channel: Channel, kind: Option<MessageKind>, tiers: Option<&[Tier]>, value: &Value) -> Result<ChannelTemplate, String> {
    let wanted = || "must be { template = \"…\" }".to_owned();
    let fields = value.as_table().ok_or_else(wanted)?;
    let allowed: &[&str] = match channel {
        Channel::Wechat => &["template", "fields", "text", "text_en"],
        _ => &["template", "text", "text_en"],
    };
    if let Some(other) = fields.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(format!("{other} is unknown: it has {}", allowed.join(", ")));
    }
    let words = |key: &str| {
        let Some(value) = fields.get(key) else { return Ok(None) };
        let words = values::text(1..=400)(value).map_err(|why| format!("{key} {why}"))?;
        match kind.map(|kind| text::judge(kind, &words)) {
            Some(Err(why)) => Err(format!("{key} {why}")),
            _ => Ok(Some(words)),
        }
    };
    let code = fields.get("template").ok_or_else(wanted)?;
    Ok(ChannelTemplate {
        template: template(code).map_err(|why| format!("template {why}"))?,
        fields: match fields.get("fields") {
            None if channel == Channel::Wechat => return Err("has no fields: { thing1 = \"store_name\" }".to_owned()),
            None => BTreeMap::new(),
            Some(value) => data_fields(kind, tiers, value)?,
        },
        text: words("text")?,
        text_en: words("text_en")?,
    })
}

fn data_fields(kind: Option<MessageKind>, tiers: Option<&[Tier]>, value: &Value) -> Result<BTreeMap<String, String>, String> {
    let table = value.as_table().ok_or("fields must be { thing1 = \"store_name\" }")?;
    if table.is_empty() || table.len() > FIELDS {
        return Err(format!("fields has {}: 1 to {FIELDS} are allowed", table.len()));
    }
    let mut fields = BTreeMap::new();
    for (field, param) in table {
        let param = param.as_str().ok_or_else(|| format!("fields: {field} must name a parameter in quotes"))?;
        if let Some(kind) = kind {
            if !kind.params().contains(&param) {
                let known = kind.params().join(", ");
                return Err(format!("fields: {param} is unknown: a {} message has {known}", kind.as_str()));
            }
            fits(field, param, tiers).map_err(|why| format!("fields: {why}"))?;
        }
        fields.insert(field.clone(), param.to_owned());
    }
    Ok(fields)
}

/// Whether values of a parameter fit into a field of this type.
fn fits(field: &str, param: &str, tiers: Option<&[Tier]>) -> Result<(), String> {
    let form = MessageKind::form(param);
    let name = field.trim_end_matches(|c: char| c.is_ascii_digit());
    if name.len() == field.len() {
        return Err(format!("{field} has no number: fields are named as in the provider's template, {field}1"));
    }
    let forms: &[ParamForm] = match name {
        "thing" => &[ParamForm::Name, ParamForm::Code, ParamForm::Number, ParamForm::Date],
        "character_string" => &[ParamForm::Code, ParamForm::Number, ParamForm::Date],
        "number" | "amount" => &[ParamForm::Number],
        "time" | "date" => &[ParamForm::Date],
        "name" => &[ParamForm::Name],
        "phrase" => return phrase(field, param, tiers),
        "letter" | "symbol" | "phone_number" | "car_number" => &[],
        _ => return Err(format!("{field} is of no known type: thing, character_string, number, amount, time, date, name, phrase")),
    };
    if forms.contains(&form) { Ok(()) } else { Err(format!("{param} doesn't fit into {field}: its values are of another form")) }
}

/// At most five characters, Chinese only: what is named in the program itself can be looked at.
fn phrase(field: &str, param: &str, tiers: Option<&[Tier]>) -> Result<(), String> {
    if !matches!(param, "tier_name" | "next_tier_name") {
        return Err(format!("{param} doesn't fit into {field}: a phrase has at most {PHRASE_CHARS} Chinese characters"));
    }
    let long = tiers.unwrap_or_default().iter().find(|tier| tier.name.zh.chars().count() > PHRASE_CHARS || tier.name.zh.is_ascii());
    long.map_or(Ok(()), |tier| {
        Err(format!("{} doesn't fit into {field}: a phrase has at most {PHRASE_CHARS} Chinese characters", tier.name.zh))
    })
}
