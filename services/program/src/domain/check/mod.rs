//! A folder of TOML files becomes a [`Program`], or a list of everything that is wrong in it: file, line, key, and what to do.
//!
//! One file, one module, one function `read`: it takes what it understands and leaves a finding for the rest, so that one wrong
//! key hides no other. Files that refer to others (campaigns name stores and categories) come after them; where the other
//! file couldn't be read, the reference isn't judged.

mod adjustments;
mod benefits;
mod campaign_days;
mod campaigns;
mod earn;
mod expiry;
mod file;
mod findings;
mod holidays;
mod membership;
mod messages;
mod program;
mod redemption;
mod section;
mod settlement;
mod stores;
mod tiers;
mod values;

use std::collections::BTreeMap;

use jifen_contracts::{
    endpoint::ProgramFinding,
    program::{Adjustments, Membership, Program, Redemption, Settlement, Stacking},
};

use file::File;
use findings::Findings;

/// A program's files: name (`earn.toml`) to content.
pub type Files = BTreeMap<String, String>;

/// The files of a program; of these `redemption.toml`, `adjustments.toml`, `holidays.toml`, `campaigns.toml`, `membership.toml`
/// and `settlement.toml` may be missing.
pub const FILES: [&str; 12] =
    [PROGRAM, STORES, EARN, EXPIRY, REDEMPTION, ADJUSTMENTS, TIERS, HOLIDAYS, CAMPAIGNS, MEMBERSHIP, SETTLEMENT, MESSAGES];

const PROGRAM: &str = "program.toml";
const STORES: &str = "stores.toml";
const EARN: &str = "earn.toml";
const EXPIRY: &str = "expiry.toml";
const REDEMPTION: &str = "redemption.toml";
const ADJUSTMENTS: &str = "adjustments.toml";
const TIERS: &str = "tiers.toml";
const HOLIDAYS: &str = "holidays.toml";
const CAMPAIGNS: &str = "campaigns.toml";
const MEMBERSHIP: &str = "membership.toml";
const SETTLEMENT: &str = "settlement.toml";
const MESSAGES: &str = "messages.toml";

/// Reads a program: the rules with warnings, or all findings if at least one is an error.
pub fn check(files: &Files) -> Result<(Program, Vec<ProgramFinding>), Vec<ProgramFinding>> {
    let mut found = Findings::default();
    for name in files.keys().filter(|name| !FILES.contains(&name.as_str())) {
        found.open(name);
        found.error(0, "", format!("unknown file: a program consists of {}", FILES.join(", ")));
    }
    let head = open(files, PROGRAM, &mut found).and_then(|file| program::read(file, &mut found));
    let stores = open(files, STORES, &mut found).and_then(|file| stores::read(file, &mut found));
    let tiers = open(files, TIERS, &mut found).and_then(|file| tiers::read(file, &mut found));
    let steps = tiers.as_ref().map(|(tiers, _)| tiers.as_slice());
    let earn = open(files, EARN, &mut found).and_then(|file| earn::read(file, steps, &mut found));
    if let (Some((_, ladder)), Some(earn)) = (&tiers, &earn) {
        found.open(TIERS);
        tiers::judge_earn(ladder, earn, &files[TIERS], &mut found);
    }
    let expiry = open(files, EXPIRY, &mut found).and_then(|file| expiry::read(file, &mut found));
    let redemption = optional(files, REDEMPTION, &mut found, redemption::read, Redemption::default);
    let adjustments = optional(files, ADJUSTMENTS, &mut found, adjustments::read, Adjustments::default);
    let holidays = optional(files, HOLIDAYS, &mut found, holidays::read, Vec::new);
    let known = campaigns::Known { stores: stores.as_deref(), earn: earn.as_ref(), tiers: steps, holidays: holidays.as_deref() };
    let read_campaigns = |file, found: &mut Findings| campaigns::read(file, known, found);
    let campaigns = optional(files, CAMPAIGNS, &mut found, read_campaigns, || (Vec::new(), Stacking::default()));
    let membership = optional(files, MEMBERSHIP, &mut found, membership::read, Membership::default);
    let settlement = optional(files, SETTLEMENT, &mut found, settlement::read, Settlement::default);
    let messages = open(files, MESSAGES, &mut found).and_then(|file| messages::read(file, steps, &mut found));
    let program = (|| {
        let (name, time_zone) = head?;
        let (tiers, ladder) = tiers?;
        let (campaigns, stacking) = campaigns?;
        Some(Program {
            name,
            time_zone,
            stores: stores?,
            earn: earn?,
            expiry: expiry?,
            redemption: redemption?,
            adjustments: adjustments?,
            tiers,
            ladder,
            campaigns,
            stacking,
            holidays: holidays?,
            membership: membership?,
            settlement: settlement?,
            messages: messages?,
        })
    })();
    match program {
        Some(program) if !found.any_error() => Ok((program, found.sorted())),
        _ => Err(found.sorted()),
    }
}

/// What a file says that may be missing; `usual` without it.
fn optional<T>(
    files: &Files,
    name: &'static str,
    found: &mut Findings,
    read: impl FnOnce(File, &mut Findings) -> Option<T>,
    usual: impl FnOnce() -> T,
) -> Option<T> {
    if files.contains_key(name) { open(files, name, found).and_then(|file| read(file, found)) } else { Some(usual()) }
}

/// A file, if it is there and is TOML.
fn open(files: &Files, name: &'static str, found: &mut Findings) -> Option<File> {
    found.open(name);
    let Some(content) = files.get(name) else {
        found.error(0, "", "the file is missing");
        return None;
    };
    File::parse(content, found)
}

#[cfg(test)]
mod tests;
