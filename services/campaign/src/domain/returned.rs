//! Bonuses that a correction took back, posted or promised, and where their points return to (DOMAIN, exact default 17): to the budget and to the member's
//! cap while the campaign runs; later they are only subtracted in the report.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    event::{AccrualSource, EntryKind, Reversed},
    program::{AppliedProgram, Campaign},
};
use jifen_kernel::{MemberId, Points, StoreCode, Token, clock::local_date};
use uuid::Uuid;

/// A bonus that was taken back, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The entry that takes it back; of a promise, whose points are no entry yet, an id of its own.
    pub entry_id: Uuid,
    /// From whom.
    pub member_id: MemberId,
    /// The invoice's store.
    pub store: StoreCode,
    /// The invoice.
    pub document: String,
    /// The campaign that had granted it.
    pub campaign: Token,
    /// In this version.
    pub version: u32,
    /// The category that it multiplied; empty where it has none: a fixed one, and what was promised.
    pub category: String,
    /// How many points.
    pub points: Points,
    /// When.
    pub at: DateTime<Utc>,
}

/// The campaigns' bonuses among what an event takes back.
pub fn list_returned(reversed: &Reversed) -> Vec<Returned> {
    let document = invoice_of(reversed);
    let bonus = reversed.entries.iter().filter(|entry| entry.kind == EntryKind::Bonus && entry.points.is_positive());
    let returned = bonus.filter_map(|entry| {
        let (campaign, version) = entry.rule.strip_prefix("campaign:")?.rsplit_once('@')?;
        Some(Returned {
            entry_id: entry.entry_id,
            member_id: reversed.member_id,
            store: reversed.store.clone(),
            document: document.to_owned(),
            campaign: Token::try_new(campaign).ok()?,
            version: version.parse().ok().filter(|version| *version > 0)?,
            category: entry.category.as_ref().map(ToString::to_string).unwrap_or_default(),
            points: entry.points,
            at: reversed.at,
        })
    });
    returned.collect()
}

/// The invoice that an accrual rests on: the posting of a promise names it in its own document, `<campaign>/<store>:<invoice>/1`.
fn invoice_of(reversed: &Reversed) -> &str {
    let said = reversed.document.as_str();
    if reversed.source != AccrualSource::Grant {
        return said;
    }
    let participation = said.split_once('/').and_then(|(_, rest)| rest.rsplit_once('/')).map(|(participation, _)| participation);
    let invoice = participation.and_then(|participation| participation.strip_prefix(reversed.store.as_str())?.strip_prefix(':'));
    invoice.unwrap_or(said)
}

/// Points that return to budgets, and to members' caps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returns {
    /// By campaign.
    pub budgets: BTreeMap<Token, Points>,
    /// By member and campaign.
    pub shares: BTreeMap<(MemberId, Token), Points>,
}

impl Returns {
    /// Adds what comes back. `then` is the version that granted it, `newest` the last one that is known: it says until when the
    /// campaign runs.
    pub fn add(&mut self, returned: &Returned, then: &AppliedProgram, newest: Option<&AppliedProgram>) {
        let Some(campaign) = find(then, returned) else { return };
        let to = newest.and_then(|newest| find(newest, returned)).map_or(campaign.to, |later| later.to.max(campaign.to));
        if local_date(returned.at, then.program.time_zone()) <= to {
            self.undo(returned, then);
        }
    }

    /// Adds what was drawn just now and isn't due: it returns whether the campaign runs or not.
    pub fn undo(&mut self, returned: &Returned, then: &AppliedProgram) {
        let Some(campaign) = find(then, returned) else { return };
        if campaign.budget.is_some() {
            *self.budgets.entry(returned.campaign.clone()).or_default() += returned.points;
        }
        if campaign.member_cap.is_some() {
            *self.shares.entry((returned.member_id, returned.campaign.clone())).or_default() += returned.points;
        }
    }
}

fn find<'a>(applied: &'a AppliedProgram, returned: &Returned) -> Option<&'a Campaign> {
    applied.program.campaigns.iter().find(|campaign| campaign.code == returned.campaign)
}
