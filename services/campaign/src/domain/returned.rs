//! Bonuses that a correction took back, and where their points return to (DOMAIN, exact default 17): to the budget and to the member's
//! cap while the campaign runs; later they are only subtracted in the report.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    event::{EntryKind, Reversed},
    program::{AppliedProgram, Campaign},
};
use jifen_kernel::{MemberId, Points, StoreCode, Token, clock::local_date};
use uuid::Uuid;

/// A bonus entry that was taken back, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The entry that takes it back.
    pub entry_id: Uuid,
    /// From whom.
    pub member_id: MemberId,
    /// The accrual's store.
    pub store: StoreCode,
    /// The accrual's document.
    pub document: String,
    /// The campaign that had granted it.
    pub campaign: Token,
    /// In this version.
    pub version: u32,
    /// How many points.
    pub points: Points,
    /// When.
    pub at: DateTime<Utc>,
}

/// The campaigns' bonuses among what an event takes back.
pub fn list_returned(reversed: &Reversed) -> Vec<Returned> {
    let bonus = reversed.entries.iter().filter(|entry| entry.kind == EntryKind::Bonus && entry.points.is_positive());
    let returned = bonus.filter_map(|entry| {
        let (campaign, version) = entry.rule.strip_prefix("campaign:")?.rsplit_once('@')?;
        Some(Returned {
            entry_id: entry.entry_id,
            member_id: reversed.member_id,
            store: reversed.store.clone(),
            document: reversed.document.clone(),
            campaign: Token::try_new(campaign).ok()?,
            version: version.parse().ok().filter(|version| *version > 0)?,
            points: entry.points,
            at: reversed.at,
        })
    });
    returned.collect()
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
        let find = |applied: &AppliedProgram| -> Option<Campaign> {
            applied.program.campaigns.iter().find(|campaign| campaign.code == returned.campaign).cloned()
        };
        let Some(campaign) = find(then) else { return };
        let to = newest.and_then(find).map_or(campaign.to, |later| later.to.max(campaign.to));
        if local_date(returned.at, then.program.time_zone()) > to {
            return;
        }
        if campaign.budget.is_some() {
            *self.budgets.entry(returned.campaign.clone()).or_default() += returned.points;
        }
        if campaign.member_cap.is_some() {
            *self.shares.entry((returned.member_id, returned.campaign.clone())).or_default() += returned.points;
        }
    }
}
