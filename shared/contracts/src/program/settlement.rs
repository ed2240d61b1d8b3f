//! What points are worth in the books: `settlement.toml`.

use jifen_kernel::Rate;
use serde::{Deserialize, Serialize};

/// Accounting between stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settlement {
    /// Yuan a point: for liability, and the price at which stores settle what is earned in one and spent in another.
    pub point_value: Rate,
    /// A month is closed at the beginning of this day of the next.
    pub close_day: u32,
}

impl Default for Settlement {
    fn default() -> Self {
        Self { point_value: Rate::from_basis_points(100), close_day: 5 }
    }
}

impl Settlement {
    /// True where nothing was set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
