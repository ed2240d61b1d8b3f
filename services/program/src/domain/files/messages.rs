//! `messages.toml`, written.

use jifen_contracts::{
    notify::Channel,
    program::{ChannelTemplate, MessageLimits, MessageTemplate, Messages, StaffTask},
};

use super::{lines, quoted, tables, word};

/// The whole file.
pub(super) fn written(messages: &Messages) -> String {
    let mut parts = vec![lines([("sign", quoted(&messages.sign))])];
    if !messages.limits.is_default() {
        parts.push(format!("[limits]\n{}", limits(&messages.limits)));
    }
    parts.push(tables("message", messages.templates.iter().map(message)));
    if !messages.tasks.is_empty() {
        parts.push(tables("task", messages.tasks.iter().map(task)));
    }
    parts.join("\n")
}

fn limits(limits: &MessageLimits) -> String {
    let time = |at: &chrono::NaiveTime| quoted(&at.format("%H:%M").to_string());
    lines([
        ("quiet_from", time(&limits.quiet_from)),
        ("quiet_to", time(&limits.quiet_to)),
        ("promotions_a_week", limits.promotions_a_week.to_string()),
        ("opt_out", quoted(&limits.opt_out)),
        ("opt_out_en", quoted(&limits.opt_out_en)),
        ("opt_out_replies", list(limits.opt_out_replies.iter().map(|reply| quoted(reply)))),
    ])
}

fn message(template: &MessageTemplate) -> String {
    let always = [
        ("kind", word(&template.kind)),
        ("class", word(&template.class)),
        ("template", quoted(&template.template)),
        ("text", quoted(&template.text)),
    ];
    let valid = template.valid_minutes.map_or(("valid_hours", template.valid_hours), |minutes| ("valid_minutes", minutes));
    let sometimes = [
        template.text_en.as_ref().map(|text| ("text_en", quoted(text))),
        Some((valid.0, valid.1.to_string())),
        (!template.channels.is_empty()).then(|| ("channels", list(template.channels.iter().map(word)))),
    ];
    let ways = template.ways.iter().map(|(channel, way)| (Channel::as_str(*channel), inline(way)));
    lines(always.into_iter().chain(sometimes.into_iter().flatten()).chain(ways))
}

/// A channel's own template, in one line.
fn inline(way: &ChannelTemplate) -> String {
    let fields: Vec<String> = way.fields.iter().map(|(field, param)| format!("{field} = {}", quoted(param))).collect();
    let parts = [
        Some(format!("template = {}", quoted(&way.template))),
        (!fields.is_empty()).then(|| format!("fields = {{ {} }}", fields.join(", "))),
        way.text.as_ref().map(|text| format!("text = {}", quoted(text))),
        way.text_en.as_ref().map(|text| format!("text_en = {}", quoted(text))),
    ];
    format!("{{ {} }}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn task(task: &StaffTask) -> String {
    let always = [("kind", word(&task.kind)), ("from_days", task.from_days.to_string()), ("to_days", task.to_days.to_string())];
    let tiers = (!task.tiers.is_empty()).then(|| ("tiers", list(task.tiers.iter().map(|tier| quoted(tier.as_str())))));
    lines(always.into_iter().chain(tiers))
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}
