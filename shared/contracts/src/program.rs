//! A program: the group's rules as versioned data. Services receive it whole ([`AppliedProgram`]) and keep
//! every version, so each decision can name the version that made it.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use jifen_kernel::{StoreCode, Token, clock};
use serde::{Deserialize, Serialize};

use crate::code::Text;

mod adjustments;
mod campaign;
mod earn;
mod expiry;
mod holidays;
mod membership;
mod messages;
mod redemption;
mod settlement;
mod tier;

pub use adjustments::*;
pub use campaign::*;
pub use earn::*;
pub use expiry::*;
pub use holidays::*;
pub use membership::*;
pub use messages::*;
pub use redemption::*;
pub use settlement::*;
pub use tier::*;

/// One version of the rules, immutable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AppliedProgram {
    /// Counts from 1, without gaps.
    pub version: u32,
    /// SHA-256 of the canonical JSON of `program`, hex.
    pub hash: String,
    /// First local day on which it is in force.
    pub effective_from: NaiveDate,
    /// When it was applied.
    pub applied_at: DateTime<Utc>,
    /// The rules.
    pub program: Program,
}

impl AppliedProgram {
    /// The instant from which it is in force.
    pub fn starts_at(&self) -> DateTime<Utc> {
        clock::start_of_day(self.effective_from, self.program.time_zone())
    }
}

/// The version in force at `at`: the one that began last, the higher number where two begin on one day.
/// `None` before the first version.
pub fn in_force_at<'a>(versions: impl IntoIterator<Item = &'a AppliedProgram>, at: DateTime<Utc>) -> Option<&'a AppliedProgram> {
    versions.into_iter().filter(|version| version.starts_at() <= at).max_by_key(|version| (version.effective_from, version.version))
}

/// The rules of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// A name for people.
    pub name: String,
    /// IANA name; decides what a business day is. Validated before a program is applied.
    pub time_zone: String,
    /// The stores that may send documents, by code.
    pub stores: Vec<Store>,
    /// What earns how much.
    pub earn: Earn,
    /// How long points live.
    pub expiry: Expiry,
    /// How points are spent.
    #[serde(default, skip_serializing_if = "Redemption::is_default")]
    pub redemption: Redemption,
    /// What staff may correct.
    #[serde(default, skip_serializing_if = "Adjustments::is_default")]
    pub adjustments: Adjustments,
    /// The ladder, lowest first; the lowest begins at 0.
    pub tiers: Vec<Tier>,
    /// What holds for the whole ladder.
    #[serde(default, skip_serializing_if = "Ladder::is_default")]
    pub ladder: Ladder,
    /// Offers, in the order of their publication.
    pub campaigns: Vec<Campaign>,
    /// How bonuses of several campaigns on one category are combined.
    #[serde(default, skip_serializing_if = "Stacking::is_default")]
    pub stacking: Stacking,
    /// Days off, make-up working days and the days that festivals fall on, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Holiday>,
    /// How a customer becomes a member.
    #[serde(default, skip_serializing_if = "Membership::is_default")]
    pub membership: Membership,
    /// What a point is worth in the books.
    #[serde(default, skip_serializing_if = "Settlement::is_default")]
    pub settlement: Settlement,
    /// What members are told.
    pub messages: Messages,
}

impl Program {
    /// The group's time zone; UTC+8 if a stored name is no longer known.
    pub fn time_zone(&self) -> Tz {
        self.time_zone.parse().unwrap_or(chrono_tz::Asia::Shanghai)
    }

    /// The store of this code.
    pub fn store(&self, code: &str) -> Option<&Store> {
        self.stores.iter().find(|store| store.code.as_str() == code)
    }
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Its code in subjects and documents.
    pub code: StoreCode,
    /// Its name for people.
    pub name: Text,
    /// Its brand, if the group has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<Token>,
}
