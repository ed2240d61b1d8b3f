//! How a customer becomes a member: `membership.toml`.

use serde::{Deserialize, Serialize};

/// Activation of registrations that no store has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Membership {
    /// Days within which a registration must be activated; then it lapses.
    pub activation_days: u32,
    /// Days before the lapse on which it is announced.
    pub lapse_warning_days: u32,
    /// Days after its business date from which a pending accrual of a lapsed registration is reversed.
    pub pending_days: u32,
    /// Codes that may be sent to one phone in a day.
    pub codes_per_phone_day: u32,
    /// Codes that one store may cause in an hour.
    pub codes_per_store_hour: u32,
    /// Codes that the whole group may cause in an hour.
    pub codes_per_group_hour: u32,
    /// Minutes for which a code holds.
    pub code_minutes: u32,
    /// Wrong attempts after which a code is void.
    pub code_attempts: u32,
}

impl Default for Membership {
    fn default() -> Self {
        Self {
            activation_days: 7,
            lapse_warning_days: 2,
            pending_days: 90,
            codes_per_phone_day: 5,
            codes_per_store_hour: 200,
            codes_per_group_hour: 2_000,
            code_minutes: 10,
            code_attempts: 5,
        }
    }
}

impl Membership {
    /// True where nothing was set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
