//! `messages.toml`: what members are told, and what staff are asked to do.

use std::collections::HashMap;

use jifen_contracts::{
    notify::{Channel, MessageClass},
    program::{MessageKind, MessageLimits, MessageTemplate, Messages, StaffTask, TaskKind, Tier},
};
use toml::Value;

use super::{File, Findings, section::Section, values};

mod limits;
mod text;
mod ways;

const KINDS: &[&str] = &[
    "welcome",
    "activation_code",
    "lapse_warning",
    "points_earned",
    "interaction_earned",
    "partner_earned",
    "grant_earned",
    "points_expiring",
    "points_expired",
    "points_reversed",
    "tier_upgraded",
    "downgrade_warning",
    "tier_downgraded",
    "entitlement_granted",
    "campaign_preheat",
    "campaign_started",
    "birthday",
];
const CLASSES: &[&str] = &["verify", "service", "promotion"];
const TASKS: &[&str] = &["repair_call", "birthday_call", "downgrade_call"];
/// Kinds without which a program is refused: those of its first form. Of another one members hear nothing, which is said.
const NEEDED: [MessageKind; 3] = [MessageKind::Welcome, MessageKind::PointsEarned, MessageKind::TierUpgraded];
/// The furthest day of a task.
const TASK_DAYS: u32 = 60;

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

/// Signature, limits, templates (one a kind) and tasks.
pub(super) fn read(mut file: File, tiers: Option<&[Tier]>, found: &mut Findings) -> Option<Messages> {
    let errors = found.errors();
    let sign = file.top.read("sign", found, sign);
    let limits = file.table_if("limits", found).map_or_else(|| Some(MessageLimits::default()), |section| limits::read(section, found));
    let mut templates: Vec<MessageTemplate> = Vec::new();
    let mut lines = HashMap::new();
    let sections = file.list("message", true, found);
    let judge_missing = sections.is_some();
    let sending = Sending { sign: sign.as_deref().unwrap_or_default(), limits: &limits.clone().unwrap_or_default(), tiers };
    for mut section in sections.unwrap_or_default() {
        let kind = section.read("kind", found, values::word::<MessageKind>(KINDS));
        if let Some(kind) = kind
            && let Some(line) = lines.insert(kind, section.line("kind"))
        {
            section.error("kind", found, format!("{} stands there twice: the first is in line {line}", kind.as_str()));
        }
        templates.extend(one(kind, &sending, &mut section, found));
        section.finish(found);
    }
    for kind in MessageKind::ALL.iter().filter(|kind| judge_missing && !lines.contains_key(kind)) {
        if NEEDED.contains(kind) {
            found.error(0, "message", format!("no [[message]] of kind {:?}: this kind needs its text", kind.as_str()));
        } else {
            found.warning(0, "message", format!("no [[message]] of kind {:?}: members hear nothing of it", kind.as_str()));
        }
    }
    let tasks = file.list("task", false, found).unwrap_or_default();
    let tasks: Vec<StaffTask> = tasks.into_iter().filter_map(|section| task(section, tiers, found)).collect();
    file.finish(found);
    let (sign, limits) = (sign?, limits?);
    (found.errors() == errors).then_some(Messages { sign, templates, limits, tasks })
}

/// What every template of the file is judged by.
struct Sending<'a> {
    sign: &'a str,
    limits: &'a MessageLimits,
    tiers: Option<&'a [Tier]>,
}

fn one(kind: Option<MessageKind>, sending: &Sending<'_>, section: &mut Section, found: &mut Findings) -> Option<MessageTemplate> {
    let class = section.read("class", found, values::word::<MessageClass>(CLASSES));
    if let (Some(kind), Some(class)) = (kind, class)
        && kind.class() != class
    {
        section.error("class", found, format!("must be {:?}: a message of kind {} is nothing else", kind.class().as_str(), kind.as_str()));
    }
    let template = section.read("template", found, template);
    let text = section.read("text", found, values::text(1..=200));
    let text_en = section.read_if("text_en", found, values::text(1..=400));
    if let Some(kind) = kind {
        for (key, text, ends) in [
            ("text", text.as_ref(), &sending.limits.opt_out),
            ("text_en", text_en.as_ref().and_then(Option::as_ref), &sending.limits.opt_out_en),
        ] {
            if let Some(Err(why)) = text.map(|text| text::judge_sms(kind, text, sending.sign, ends)) {
                section.error(key, found, why);
            }
        }
    }
    let (valid_hours, valid_minutes) = validity(section, found)?;
    let channels = section.read_if("channels", found, values::list(values::word::<Channel>(ways::CHANNELS)))?.unwrap_or_default();
    let ways = ways::read(kind, &channels, sending.tiers, section, found);
    Some(MessageTemplate {
        kind: kind?,
        class: class?,
        template: template?,
        text: text?,
        text_en: text_en?,
        valid_hours,
        valid_minutes,
        channels,
        ways: ways?,
    })
}

/// `valid_hours`, or for what holds for less `valid_minutes`: then the hours are those that have begun.
fn validity(section: &mut Section, found: &mut Findings) -> Option<(u32, Option<u32>)> {
    let minutes = section.read_if("valid_minutes", found, values::whole(1..=1_440))?;
    let Some(minutes) = minutes else {
        return Some((section.read("valid_hours", found, values::whole(1..=72))?, None));
    };
    if section.read_if("valid_hours", found, values::whole(1..=72))?.is_some() {
        section.error("valid_minutes", found, "stands beside valid_hours: write one of both");
        return None;
    }
    Some((minutes.div_ceil(60), Some(minutes)))
}

fn task(mut section: Section, tiers: Option<&[Tier]>, found: &mut Findings) -> Option<StaffTask> {
    let kind = section.read("kind", found, values::word::<TaskKind>(TASKS));
    let from_days = section.read("from_days", found, values::whole(0..=TASK_DAYS));
    let to_days = section.read("to_days", found, values::whole(0..=TASK_DAYS));
    let only = section.read_if("tiers", found, values::list(values::token));
    if let (Some(from), Some(to)) = (from_days, to_days)
        && to < from
    {
        section.error("to_days", found, format!("is before the first day, {from}"));
    }
    if let (Some(Some(only)), Some(tiers)) = (&only, tiers)
        && let Some(unknown) = only.iter().find(|tier| !tiers.iter().any(|known| known.code == **tier))
    {
        section.error("tiers", found, format!("{unknown} is not in tiers.toml"));
    }
    section.finish(found);
    Some(StaffTask { kind: kind?, from_days: from_days?, to_days: to_days?, tiers: only?.unwrap_or_default() })
}
