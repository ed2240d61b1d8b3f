//! `[limits]`: quiet hours, how much advertising a week, and how a member ends it.

use chrono::NaiveTime;
use jifen_contracts::program::MessageLimits;
use toml::Value;

use super::super::{Findings, section::Section, values};

/// `21:00`, in quotes or as TOML's own local time.
fn time(value: &Value) -> Result<NaiveTime, String> {
    let wanted = || "must be a local time such as \"21:00\"".to_owned();
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Datetime(at) => at.to_string(),
        _ => return Err(wanted()),
    };
    let hours_and_minutes = text.strip_suffix(":00").filter(|rest| rest.len() == 5).unwrap_or(&text);
    if hours_and_minutes.len() != 5 {
        return Err(wanted());
    }
    NaiveTime::parse_from_str(hours_and_minutes, "%H:%M").map_err(|_| wanted())
}

/// Each key may be left out.
pub(super) fn read(mut section: Section, found: &mut Findings) -> Option<MessageLimits> {
    let usual = MessageLimits::default();
    let quiet_from = section.read_if("quiet_from", found, time);
    let quiet_to = section.read_if("quiet_to", found, time);
    let promotions_a_week = section.read_if("promotions_a_week", found, values::whole(0..=21));
    let opt_out = section.read_if("opt_out", found, values::text(2..=30));
    let opt_out_en = section.read_if("opt_out_en", found, values::text(2..=60));
    let replies = section.read_if("opt_out_replies", found, values::list(values::text(1..=20)));
    section.finish(found);
    Some(MessageLimits {
        quiet_from: quiet_from?.unwrap_or(usual.quiet_from),
        quiet_to: quiet_to?.unwrap_or(usual.quiet_to),
        promotions_a_week: promotions_a_week?.unwrap_or(usual.promotions_a_week),
        opt_out: opt_out?.unwrap_or(usual.opt_out),
        opt_out_en: opt_out_en?.unwrap_or(usual.opt_out_en),
        opt_out_replies: replies?.unwrap_or(usual.opt_out_replies),
    })
}
