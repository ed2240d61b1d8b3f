//! `expiry.toml`: how long points live.

use jifen_contracts::program::{Expiry, ExpiryMode, Revival, YearDay};
use toml::Value;

use super::{File, Findings, section::Section, values};

const MODES: &[&str] = &["end_of_month", "exact_day", "calendar", "sliding"];
/// Reminders of one end at most.
const MOST_REMINDERS: usize = 5;
/// A year with every day that a year may have.
const LEAP_YEAR: i32 = 2028;

/// Months, mode, the least time, reminders and what comes back.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Expiry> {
    let errors = found.errors();
    let months = file.top.read("months", found, values::whole(12..=36));
    let mode = file.top.read("mode", found, values::word(MODES));
    let min_days_after_posting = file.top.read("min_days_after_posting", found, values::whole(0..=365));
    let days = file.list("days", false, found);
    let named = days.as_ref().map(Vec::len);
    let days: Option<Vec<YearDay>> = days.map(|each| each.into_iter().filter_map(|section| year_day(section, found)).collect());
    let reminders = file.top.read_if("reminders", found, reminders);
    let revival = file.table_if("revival", found).map(|section| revival(section, found));
    match (mode, named) {
        (Some(ExpiryMode::Calendar), Some(0)) => {
            file.top.error("mode", found, "needs days: write days = [{ month = 12, day = 31 }]");
        }
        (Some(mode), Some(1..)) if mode != ExpiryMode::Calendar => {
            file.top.error("mode", found, "days stands only with mode = \"calendar\"");
        }
        _ => {}
    }
    file.finish(found);
    let expiry = Expiry {
        months: months?,
        mode: mode?,
        min_days_after_posting: min_days_after_posting?,
        days: days?,
        reminders: reminders?.unwrap_or_else(Expiry::usual_reminders),
        revival: match revival {
            None => None,
            Some(revival) => Some(revival?),
        },
    };
    (found.errors() == errors).then_some(expiry)
}

/// `{ month = 12, day = 31 }`: a day that there is in leap years at least.
fn year_day(mut section: Section, found: &mut Findings) -> Option<YearDay> {
    let month = section.read("month", found, values::whole(1..=12));
    let day = section.read("day", found, values::whole(1..=31));
    if let (Some(month), Some(day)) = (month, day)
        && chrono::NaiveDate::from_ymd_opt(LEAP_YEAR, month, day).is_none()
    {
        section.error("day", found, format!("month {month} has no day {day}"));
    }
    section.finish(found);
    Some(YearDay { month: month?, day: day? })
}

/// `[60, 30, 7]`; `[]` for none.
fn reminders(value: &Value) -> Result<Vec<u32>, String> {
    let wanted = || format!("must be a list of at most {MOST_REMINDERS} whole numbers of days from 1 to 180, the largest first");
    let each = value.as_array().ok_or_else(wanted)?;
    let days: Vec<u32> = each.iter().map(values::whole(1..=180)).collect::<Result<_, _>>().map_err(|_| wanted())?;
    let falls = days.windows(2).all(|pair| pair[0] > pair[1]);
    if falls && days.len() <= MOST_REMINDERS { Ok(days) } else { Err(wanted()) }
}

fn revival(mut section: Section, found: &mut Findings) -> Option<Revival> {
    let within_days = section.read("within_days", found, values::whole(1..=365));
    let live_days = section.read("live_days", found, values::whole(1..=365));
    section.finish(found);
    Some(Revival { within_days: within_days?, live_days: live_days? })
}
