//! campaign: what campaigns have granted.

use jifen_kernel::Points;
use serde::{Deserialize, Serialize};

use super::{Empty, Endpoint};

/// A campaign's figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignFigures {
    /// Its code.
    pub code: String,
    /// Its version.
    pub version: u32,
    /// Bonuses granted.
    pub bonuses: u64,
    /// Different members.
    pub members: u64,
    /// Points granted.
    pub points: Points,
    /// Budget, if it has one.
    pub budget: Option<Points>,
}

/// All campaigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignReportReply {
    /// By code and version.
    pub campaigns: Vec<CampaignFigures>,
}

endpoint!(
    /// What campaigns have granted.
    CampaignReport = "api.campaign.campaign.report", Empty => CampaignReportReply
);
