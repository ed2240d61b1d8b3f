//! `messages.toml`: what members are told.

use std::collections::HashMap;

use jifen_contracts::{
    notify::MessageClass,
    program::{MessageKind, MessageTemplate, Messages},
};
use toml::Value;

use super::{File, Findings, section::Section, values};

const KINDS: &[&str] = &["welcome", "points_earned", "tier_upgraded"];
const CLASSES: &[&str] = &["service"];

fn sign(value: &Value) -> Result<String, String> {
    let sign = values::text(2..=8)(value)?;
    if sign.contains(['【', '】', '[', ']']) {
        return Err("is written without brackets: they are added".to_owned());
    }
    Ok(sign)
}

fn template(value: &Value) -> Result<String, String> {
    let template = values::text(1..=64)(value)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if template.chars().all(allowed) { Ok(template) } else { Err("is the provider's template code: letters, digits and _ - .".to_owned()) }
}

/// Signature and templates, one a kind.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Messages> {
    let errors = found.errors();
    let sign = file.top.read("sign", found, sign);
    let mut templates: Vec<MessageTemplate> = Vec::new();
    let mut lines = HashMap::new();
    let sections = file.list("message", true, found);
    let judge_missing = sections.is_some();
    for mut section in sections.unwrap_or_default() {
        let kind = section.read("kind", found, values::word::<MessageKind>(KINDS));
        if let Some(kind) = kind
            && let Some(line) = lines.insert(kind, section.line("kind"))
        {
            section.error("kind", found, format!("{} stands there twice: the first is in line {line}", kind.as_str()));
        }
        templates.extend(one(kind, &mut section, found));
        section.finish(found);
    }
    if judge_missing {
        for kind in MessageKind::ALL.iter().filter(|kind| !lines.contains_key(kind)) {
            found.error(0, "message", format!("no [[message]] of kind {:?}: every kind needs its text", kind.as_str()));
        }
    }
    file.finish(found);
    let sign = sign?;
    (found.errors() == errors).then_some(Messages { sign, templates })
}

fn one(kind: Option<MessageKind>, section: &mut Section, found: &mut Findings) -> Option<MessageTemplate> {
    // All kinds of this release are about the member's own business. Advertising would have to respect quiet hours and weekly
    // limits, which don't exist yet.
    let class = section.read("class", found, values::word::<MessageClass>(CLASSES));
    let template = section.read("template", found, template);
    let text = section.read("text", found, values::text(1..=200));
    let valid_hours = section.read("valid_hours", found, values::whole(1..=72));
    if let (Some(kind), Some(text)) = (kind, &text)
        && let Err(why) = judge_text(kind, text)
    {
        section.error("text", found, why);
    }
    Some(MessageTemplate { kind: kind?, class: class?, template: template?, text: text?, valid_hours: valid_hours? })
}

/// A text is plain but for `{{ parameter }}`: what needs no more can be mapped to every provider's template.
fn judge_text(kind: MessageKind, text: &str) -> Result<(), String> {
    if text.starts_with('【') {
        return Err("begins with a signature: it is added from sign".to_owned());
    }
    let mut rest = text;
    while let Some(start) = rest.find(['{', '}']) {
        let only = || "has a brace of its own: only {{ parameter }} is replaced".to_owned();
        let inner = rest[start..].strip_prefix("{{").ok_or_else(only)?;
        let end = inner.find("}}").ok_or_else(|| "has {{ without }}".to_owned())?;
        let name = inner[..end].trim();
        if !kind.params().contains(&name) {
            let known = kind.params().join(", ");
            return Err(format!("{{{{ {name} }}}} is unknown: a {} message has {known}", kind.as_str()));
        }
        rest = &inner[end + 2..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_uses_only_the_parameters_of_its_kind() {
        for text in ["您好", "{{ points }}积分", "{{points}}{{  bonus }}，余额{{ balance }}"] {
            assert_eq!(judge_text(MessageKind::PointsEarned, text), Ok(()), "{text}");
        }
        for text in [
            "{{ member_no }}",
            "{{ points",
            "{ points }",
            "}}",
            "{% if points %}",
            "{{ points | int }}",
            "{{ }}",
            "{{{ points }}}",
            "{#x#}",
        ] {
            assert!(judge_text(MessageKind::PointsEarned, text).is_err(), "{text}");
        }
    }
}
