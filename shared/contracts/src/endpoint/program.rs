//! program: versions of the rules.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Endpoint;
use crate::program::AppliedProgram;

/// Which versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramsRequest {
    /// Only versions above this one; 0, or not given, for all.
    #[serde(default)]
    pub after: u32,
}

/// Versions, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramsReply {
    /// As many as fit into one reply.
    pub versions: Vec<AppliedProgram>,
    /// There are more: ask again after the last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

endpoint!(
    /// What services ask at start, and now and then.
    ProgramList = "api.program.version.list", ProgramsRequest => ProgramsReply
);

/// Which version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramGetRequest {
    /// Its number; the one in force now if not given.
    #[serde(default)]
    pub version: Option<u32>,
}

endpoint!(
    /// One version.
    ProgramGet = "api.program.version.get", ProgramGetRequest => AppliedProgram
);

/// A folder of TOML files, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramFiles {
    /// File name (`earn.toml`) to content.
    pub files: std::collections::BTreeMap<String, String>,
}

/// What is wrong in a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramFinding {
    /// The file.
    pub file: String,
    /// Its line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// The key.
    pub key: String,
    /// What, and what to do.
    pub message: String,
    /// A warning does not stop `apply`.
    pub warning: bool,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramCheckReply {
    /// Empty for a good program.
    pub findings: Vec<ProgramFinding>,
}

endpoint!(
    /// Checks a program without applying it.
    ProgramCheck = "api.program.version.check", ProgramFiles => ProgramCheckReply
);

/// Applies a program as the next version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramApplyRequest {
    /// The caller's id of this operation.
    pub operation_id: String,
    /// First local day on which it shall be in force.
    pub effective_from: NaiveDate,
    /// The version that these files were made from: refused as `program.changed` if it is no longer the newest, so that nobody
    /// undoes what another has applied in between. Not given: whatever the newest is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// The folder.
    pub files: std::collections::BTreeMap<String, String>,
}

/// What `apply` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramApplyReply {
    /// The version in which these rules stand.
    pub version: u32,
    /// The newest version holds the same rules from the same day already: nothing was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// Warnings.
    pub findings: Vec<ProgramFinding>,
}

endpoint!(
    /// Mutating. Refused as `program.invalid` with the findings in the detail, as `program.changed` if `after` is not the newest.
    ProgramApply = "api.program.version.apply", ProgramApplyRequest => ProgramApplyReply
);
