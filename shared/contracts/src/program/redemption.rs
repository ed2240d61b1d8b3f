//! How points are spent and what comes back: `redemption.toml`.

use serde::{Deserialize, Serialize};

/// Cash offset at the till (积分抵扣), holds (预扣), and points that come back when a bill is voided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Redemption {
    /// Points that pay one yuan.
    pub points_per_yuan: u32,
    /// Points are taken in steps of so many; a step is worth whole fen.
    pub step: u32,
    /// The fewest points that pay for a part of a bill.
    pub minimum: u32,
    /// The share of a bill that points may pay, in percent.
    pub max_share_percent: u32,
    /// Seconds for which points are held, where nothing else is asked for.
    pub hold_s: u32,
    /// Seconds after its creation beyond which no hold lasts, however often it is extended.
    pub hold_longest_s: u32,
    /// What comes back from a voided bill behind its lot's last day lives for so many days more; with 0 it ends at once.
    pub return_grace_days: u32,
}

impl Default for Redemption {
    fn default() -> Self {
        Self {
            points_per_yuan: 100,
            step: 100,
            minimum: 100,
            max_share_percent: 100,
            hold_s: 600,
            hold_longest_s: 86_400,
            return_grace_days: 30,
        }
    }
}

impl Redemption {
    /// True where nothing was set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
