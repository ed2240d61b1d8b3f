//! program: the rules.

use jifen_kernel::StoreCode;
use serde::{Deserialize, Serialize};

use crate::{EventType, program::AppliedProgram};

/// program: a version of the rules, whole and immutable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct ProgramApplied(pub AppliedProgram);
event!(ProgramApplied, "program", "applied", |_| None);
