//! ingest: days of stores, compared with what arrived of them.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{Money, StoreCode};
use serde::{Deserialize, Serialize};

use crate::{EventType, document::DayTotals};

/// What arrived of one kind and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ArrivedTotals {
    /// How many.
    pub count: u32,
    /// Their sum.
    #[schemars(with = "String", extend("pattern" = "^[0-9]{1,16}(\\.[0-9]{1,2})?$"))]
    pub sum: Money,
    /// The first number: those that begin alike in the order of their last digits' value.
    pub first: Option<String>,
    /// The last one.
    pub last: Option<String>,
}

/// Documents of one kind and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DaySide {
    /// As the store counts them; none where it didn't say.
    pub said: Option<DayTotals>,
    /// As they arrived: accepted, waiting or lapsed, also those that were taken back later.
    pub arrived: ArrivedTotals,
}

/// In what a day differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DayDifferenceKind {
    /// A number between the first and the last never came, or was refused.
    Missing,
    /// Likewise, or the store never issued it: it says of fewer numbers than there are between the first and the last, and more of
    /// these are absent than it lacks.
    MissingOrUnused,
    /// It came, for another day: that one.
    OtherDay,
    /// It came, and the store's numbers leave it out.
    NotCounted,
    /// How many.
    Count,
    /// The sum.
    Sum,
    /// The first number.
    First,
    /// The last one.
    Last,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DayDifference {
    /// In what.
    pub kind: DayDifferenceKind,
    /// The document, where one can be named.
    pub document: Option<String>,
    /// What the store says.
    pub said: Option<String>,
    /// What arrived.
    pub arrived: Option<String>,
}

/// A store's day against what arrived of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DayCompared {
    /// The store.
    pub store: StoreCode,
    /// The local day.
    pub day: NaiveDate,
    /// When its close came; none before.
    pub closed_at: Option<DateTime<Utc>>,
    /// Settled bills.
    pub invoices: DaySide,
    /// Refunds.
    pub refunds: DaySide,
    /// At most 1,000.
    pub invoice_differences: Vec<DayDifference>,
    /// At most 1,000.
    pub refund_differences: Vec<DayDifference>,
}

/// ingest: a store closed its day. Once per (store, day), with the comparison as of then: documents that come later change what
/// `api.ingest.day.compare` answers, not this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DayClosed {
    /// When it was compared.
    pub at: DateTime<Utc>,
    /// How it compares.
    #[serde(flatten)]
    pub compared: DayCompared,
}
event!(DayClosed, "ingest", "day_closed", |event| Some(&event.compared.store));
