//! The ladder: `tiers.toml`.

use jifen_kernel::{Points, Token};
use serde::{Deserialize, Serialize};

use crate::code::Text;

/// A step of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its code.
    pub code: Token,
    /// Its name for people.
    pub name: Text,
    /// Qualifying points from which it holds, inclusive.
    pub from: Points,
}
