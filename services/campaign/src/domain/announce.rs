//! When campaigns are announced, and when what they promised is due.
//!
//! Every known version may name a campaign. Which one speaks for it on a day is the version in force on that day: a campaign
//! that was extended ends when the later version says, and one that a later version dropped before its first day never begins.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use jifen_contracts::program::{AppliedProgram, Campaign};
use jifen_kernel::Token;
use jifen_rules::calendar::Calendar;

/// What is said of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It begins in a few days.
    Preheated,
    /// Its first day is there.
    Started,
    /// Its last day is over.
    Ended,
}

impl Kind {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preheated => "preheated",
            Self::Started => "started",
            Self::Ended => "ended",
        }
    }

    /// As read back.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Preheated, Self::Started, Self::Ended].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something to be said about a campaign, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What.
    pub kind: Kind,
    /// About which campaign.
    pub campaign: Token,
    /// The version that speaks for it.
    pub version: u32,
}

/// What a day asks to be said, whether it was said before or not: the claim tells. `started` are those that were said to have.
pub fn list_announcements(versions: &[&AppliedProgram], day: NaiveDate, started: &[String]) -> Vec<Announcement> {
    let mut due = BTreeMap::new();
    for (applied, campaign) in
        versions.iter().flat_map(|applied| applied.program.campaigns.iter().map(move |campaign| (*applied, campaign)))
    {
        for kind in kinds_due(versions, applied, campaign, day, started) {
            // The last version that speaks for it.
            due.insert((campaign.code.clone(), kind), applied.version);
        }
    }
    due.into_iter().map(|((campaign, kind), version)| Announcement { kind, campaign, version }).collect()
}

fn kinds_due(versions: &[&AppliedProgram], applied: &AppliedProgram, campaign: &Campaign, day: NaiveDate, started: &[String]) -> Vec<Kind> {
    let speaks_on = |day: NaiveDate| in_force_on(versions, day).is_some_and(|version| version == applied.version);
    let mut due = Vec::new();
    // A campaign can't begin before the version that brings it.
    let first = campaign.from.max(applied.effective_from);
    let notice = campaign.preheat_days.and_then(|days| first.checked_sub_days(Days::new(days.into())));
    if notice.is_some_and(|notice| (notice..first).contains(&day)) && first <= campaign.to && speaks_on(first) {
        due.push(Kind::Preheated);
    }
    if (first..=campaign.to).contains(&day) && speaks_on(first) {
        due.push(Kind::Started);
    }
    if day > campaign.to && speaks_on(campaign.to) && started.iter().any(|code| code == campaign.code.as_str()) {
        due.push(Kind::Ended);
    }
    due
}

/// The number of the version in force on a local day.
fn in_force_on(versions: &[&AppliedProgram], day: NaiveDate) -> Option<u32> {
    let begun = versions.iter().filter(|version| version.effective_from <= day);
    begun.max_by_key(|version| (version.effective_from, version.version)).map(|version| version.version)
}

/// The campaigns whose promises are due on a day: so many working days after the end, by the last version that has begun and
/// names them, its table of holidays and its end (exact default 18). One that no longer defers is due when it is over.
pub fn list_due_promises(versions: &[&AppliedProgram], day: NaiveDate) -> Vec<String> {
    let mut speaking: BTreeMap<&Token, (&AppliedProgram, &Campaign)> = BTreeMap::new();
    let mut begun: Vec<&AppliedProgram> = versions.iter().copied().filter(|version| version.effective_from <= day).collect();
    begun.sort_unstable_by_key(|version| (version.effective_from, version.version));
    for applied in begun {
        speaking.extend(applied.program.campaigns.iter().map(|campaign| (&campaign.code, (applied, campaign))));
    }
    let mut calendars: BTreeMap<u32, Calendar> = BTreeMap::new();
    let mut due = Vec::new();
    for (code, (applied, campaign)) in speaking {
        let calendar = calendars.entry(applied.version).or_insert_with(|| Calendar::new(&applied.program.holidays));
        let working_days = campaign.post_after_days.unwrap_or(0).max(1);
        if calendar.working_days_after(campaign.to, working_days).is_some_and(|due| due <= day) {
            due.push(code.to_string());
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::given::{campaign, day, program};

    fn version(number: u32, effective_from: &str, campaigns: Vec<Campaign>) -> AppliedProgram {
        AppliedProgram { version: number, effective_from: day(effective_from), ..program(campaigns) }
    }

    /// The October week with a notice of five days.
    fn week(to: &str) -> Campaign {
        campaign("week", "2", json!({ "preheat_days": 5, "to": to, "post_after_days": 5 }))
    }

    fn said(versions: &[AppliedProgram], on: &str, started: &[&str]) -> Vec<(Kind, u32)> {
        let started: Vec<String> = started.iter().map(ToString::to_string).collect();
        let all = list_announcements(&versions.iter().collect::<Vec<_>>(), day(on), &started);
        all.into_iter().map(|one| (one.kind, one.version)).collect()
    }

    #[test]
    fn a_campaign_is_announced_begins_and_ends_by_local_days() {
        let versions = [version(1, "2000-01-01", vec![week("2026-10-07")])];
        assert_eq!(said(&versions, "2026-09-25", &[]), []);
        assert_eq!(said(&versions, "2026-09-26", &[]), [(Kind::Preheated, 1)]);
        assert_eq!(said(&versions, "2026-09-30", &[]), [(Kind::Preheated, 1)], "a day late is not too late");
        assert_eq!(said(&versions, "2026-10-01", &[]), [(Kind::Started, 1)]);
        assert_eq!(said(&versions, "2026-10-07", &["week"]), [(Kind::Started, 1)]);
        assert_eq!(said(&versions, "2026-10-08", &["week"]), [(Kind::Ended, 1)]);
        assert_eq!(said(&versions, "2026-10-08", &[]), [], "what nobody heard begin doesn't end");
    }

    #[test]
    fn the_version_in_force_speaks_for_a_campaign() {
        // Announced before its version is in force; extended while it runs.
        let versions = [
            version(1, "2000-01-01", vec![]),
            version(2, "2026-10-01", vec![week("2026-10-07")]),
            version(3, "2026-10-05", vec![week("2026-10-14")]),
        ];
        assert_eq!(said(&versions, "2026-09-28", &[]), [(Kind::Preheated, 2)]);
        assert_eq!(said(&versions, "2026-10-08", &["week"]), [(Kind::Started, 3)], "claimed before: nothing is said twice");
        assert_eq!(said(&versions, "2026-10-15", &["week"]), [(Kind::Ended, 3)]);
        // Dropped before its first day: nobody is told.
        let dropped = [version(1, "2000-01-01", vec![week("2026-10-07")]), version(2, "2026-09-20", vec![])];
        assert_eq!(said(&dropped, "2026-09-28", &[]), []);
        assert_eq!(said(&dropped, "2026-10-01", &[]), []);
    }

    #[test]
    fn promises_are_due_working_days_after_the_end() {
        let due = |versions: &[AppliedProgram], on: &str| !list_due_promises(&versions.iter().collect::<Vec<_>>(), day(on)).is_empty();
        let first = version(1, "2000-01-01", vec![week("2026-10-07")]);
        for (on, expected) in [("2026-10-07", false), ("2026-10-12", false), ("2026-10-13", true), ("2026-12-01", true)] {
            assert_eq!(due(std::slice::from_ref(&first), on), expected, "{on}");
        }
        // Extended by three days (to Saturday the 10th): 12, 13, 14, 15, 16.
        let versions = [first.clone(), version(2, "2026-10-06", vec![week("2026-10-10")])];
        for (on, expected) in [("2026-10-15", false), ("2026-10-16", true)] {
            assert_eq!(due(&versions, on), expected, "{on}");
        }
        // Dropped by a later version: the last one that named it speaks.
        assert!(due(&[first, version(2, "2026-10-09", vec![])], "2026-10-13"));
    }
}
