//! campaign: what campaigns have granted.

use jifen_kernel::{Money, Points};
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
    /// What is left of the budget: versions of one code share what was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_left: Option<Points>,
    /// Of `points`, those that are promised and not posted yet: rewards that come some working days after the end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deferred: Points,
    /// Members of its audience now.
    #[serde(default)]
    pub targeted: u64,
    /// What customers paid on the invoices that got a bonus, each once.
    #[serde(default)]
    #[schemars(with = "String", extend("pattern" = "^[0-9]{1,16}(\\.[0-9]{1,2})?$"))]
    pub revenue: Money,
    /// What `points` cost at the accounting value of a point.
    #[serde(default)]
    #[schemars(with = "String", extend("pattern" = "^[0-9]{1,16}(\\.[0-9]{1,2})?$"))]
    pub cost: Money,
    /// (revenue - cost) / cost in basis points, rounded down; none without a cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roi_basis_points: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(points: &Points) -> bool {
    *points == Points::ZERO
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
