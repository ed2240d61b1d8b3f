//! Whether the days of a campaign are days that there are.

use std::collections::BTreeSet;

use chrono::Datelike;
use jifen_contracts::program::{Campaign, DayKind, Holiday};
use jifen_rules::{calendar::Calendar, schedule::first_open_day};

use super::{Findings, section::Section, values};

/// Days looked at for one on which a campaign is open: two years hold every rule that ever holds.
const DAYS_LOOKED_AT: usize = 800;

pub(super) fn judge(campaign: &Campaign, calendar: &Calendar, holidays: &[Holiday], section: &Section, found: &mut Findings) {
    let festivals: BTreeSet<_> = holidays.iter().map(|holiday| &holiday.festival).collect();
    let unknown: Vec<_> = campaign.festivals.iter().filter(|festival| !festivals.contains(festival)).collect();
    for festival in &unknown {
        let known = values::quoted(festivals.iter().take(20));
        section.error("festivals", found, format!("{festival} is not in holidays.toml, which has {known}"));
    }
    if campaign.from > campaign.to || !unknown.is_empty() {
        return;
    }
    let restricted = [
        ("weekdays", campaign.weekdays.is_empty()),
        ("month_days", campaign.month_days.is_empty()),
        ("festivals", campaign.festivals.is_empty()),
        ("lunar", campaign.lunar.is_empty()),
    ];
    if let Some((key, _)) = restricted.iter().find(|(_, empty)| !empty)
        && first_open_day(campaign, calendar, DAYS_LOOKED_AT).is_none()
    {
        section.warning(key, found, format!("never applies: none of these days lies from {} to {}", campaign.from, campaign.to));
    }
    judge_arrangement(campaign, calendar, holidays, section, found);
}

/// The office announces days off and make-up days of a year in the autumn before.
fn judge_arrangement(campaign: &Campaign, calendar: &Calendar, holidays: &[Holiday], section: &Section, found: &mut Findings) {
    let off_of = |year| {
        let mut of_it = holidays.iter().filter(move |holiday| holiday.day.year() == year && holiday.kind == DayKind::Off);
        of_it.any(|holiday| campaign.festivals.contains(&holiday.festival))
    };
    let years = (campaign.from.year()..=campaign.to.year()).take(100);
    let waiting: Vec<i32> = years.filter(|year| off_of(*year) && !calendar.is_arranged(*year)).collect();
    if let Some(year) = waiting.first() {
        let message =
            format!("holidays.toml has no make-up days of {year}: the days off are the law's until the office announces that year");
        section.warning("festivals", found, message);
    }
    if let Some(days) = campaign.post_after_days {
        let year = calendar.working_days_after(campaign.to, days).unwrap_or(campaign.to).year();
        if !calendar.is_arranged(year) {
            let message =
                format!("holidays.toml has no make-up days of {year}: working days may change when the office announces that year");
            section.warning("post_after_days", found, message);
        }
    }
}
