//! What can be asked of campaigns.

use std::collections::BTreeMap;

use jifen_contracts::{
    Problem, code,
    endpoint::{CampaignFigures, CampaignReport, CampaignReportReply, Empty},
    program::Campaign,
};
use jifen_kernel::Points;
use jifen_runtime::{Ctx, Failure, Query};

use crate::store::participation;

fn unavailable(failure: Failure) -> Problem {
    tracing::error!(error = %failure, "a read failed");
    Problem::new(code::SERVICE_UNAVAILABLE)
}

/// `api.campaign.campaign.report`: every version of a campaign that has granted something, and the campaigns of the
/// program in force and of the newest one also before their first bonus.
pub struct Report;

impl Query for Report {
    type Endpoint = CampaignReport;

    async fn answer(&self, cx: &Ctx, _: Empty) -> Result<CampaignReportReply, Problem> {
        let totals = participation::list_totals(&cx.pool).await.map_err(unavailable)?;
        let mut figures: BTreeMap<(String, u32), CampaignFigures> = BTreeMap::new();
        for rules in [cx.programs.in_force_at(cx.clock.now()), cx.programs.newest()].into_iter().flatten() {
            for campaign in &rules.program.campaigns {
                figures.insert((campaign.code.to_string(), rules.version), figures_of(campaign, rules.version));
            }
        }
        for total in totals {
            let rules = cx.programs.get(total.version);
            let campaign =
                rules.as_ref().and_then(|rules| rules.program.campaigns.iter().find(|found| found.code.as_str() == total.campaign));
            let granted = CampaignFigures {
                code: total.campaign.clone(),
                version: total.version,
                bonuses: total.bonuses,
                members: total.members,
                points: total.points,
                budget: campaign.and_then(|campaign| campaign.budget),
                budget_left: None,
                deferred: Points::ZERO,
                targeted: 0,
                revenue: jifen_kernel::Money::ZERO,
                cost: jifen_kernel::Money::ZERO,
                roi_basis_points: None,
            };
            figures.insert((total.campaign, total.version), granted);
        }
        Ok(CampaignReportReply { campaigns: figures.into_values().collect() })
    }
}

/// A campaign that has granted nothing yet.
fn figures_of(campaign: &Campaign, version: u32) -> CampaignFigures {
    let code = campaign.code.to_string();
    CampaignFigures {
        code,
        version,
        bonuses: 0,
        members: 0,
        points: Points::ZERO,
        budget: campaign.budget,
        budget_left: campaign.budget,
        deferred: Points::ZERO,
        targeted: 0,
        revenue: jifen_kernel::Money::ZERO,
        cost: jifen_kernel::Money::ZERO,
        roi_basis_points: None,
    }
}
