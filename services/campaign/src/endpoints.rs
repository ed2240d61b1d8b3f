//! What can be asked of campaigns.

use std::collections::BTreeMap;

use jifen_contracts::{
    Problem, code,
    endpoint::{CampaignFigures, CampaignReport, CampaignReportReply, Empty},
    program::{AppliedProgram, Campaign, Settlement, VehicleAudience},
};
use jifen_kernel::{Money, Points, clock};
use jifen_runtime::{Ctx, Failure, Query};

use crate::store::{
    budget, corrected, deferred,
    member::{self, Crowd},
    participation, returned,
};

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
        let now = cx.clock.now();
        let zone = cx.programs.in_force_at(now).map_or(chrono_tz::Asia::Shanghai, |applied| applied.program.time_zone());
        let today = clock::local_date(now, zone);
        let totals = participation::list_totals(&cx.pool).await.map_err(unavailable)?;
        let budgets = budget::list(&cx.pool).await.map_err(unavailable)?;
        let promised = deferred::list_open(&cx.pool).await.map_err(unavailable)?;
        let returned = returned::list_totals(&cx.pool).await.map_err(unavailable)?;
        let paid_less = corrected::list_paid_less(&cx.pool).await.map_err(unavailable)?;
        // By the cars that they ask for: most campaigns ask for none.
        let mut crowds: Vec<(Option<VehicleAudience>, Vec<Crowd>)> = Vec::new();
        let mut figures: BTreeMap<(String, u32), CampaignFigures> = BTreeMap::new();
        for rules in [cx.programs.in_force_at(now), cx.programs.newest()].into_iter().flatten() {
            for campaign in &rules.program.campaigns {
                figures.insert((campaign.code.to_string(), rules.version), nothing_yet(campaign.code.as_str(), rules.version));
            }
        }
        for total in totals {
            let mut granted = nothing_yet(&total.campaign, total.version);
            let key = (total.campaign.clone(), i64::from(total.version));
            let back = returned.get(&key).copied().unwrap_or_default();
            (granted.bonuses, granted.members) = (total.bonuses.saturating_sub(back.bonuses), total.members.saturating_sub(back.members));
            (granted.points, granted.revenue) =
                (total.points - back.points, total.revenue - paid_less.get(&key).copied().unwrap_or_default());
            figures.insert((total.campaign, total.version), granted);
        }
        for ((code, version), of) in &mut figures {
            let rules = cx.programs.get(*version);
            let named = rules.as_deref().and_then(|rules| Some((rules, find(rules, code)?)));
            // In the books a point is worth what the version says that granted it.
            let value = rules.as_deref().map_or(Settlement::default().point_value, |rules| rules.program.settlement.point_value);
            if let Some((rules, campaign)) = named {
                if !crowds.iter().any(|(vehicle, _)| *vehicle == campaign.vehicle) {
                    let counted = member::count_crowds(&cx.pool, today, campaign.vehicle.as_ref()).await.map_err(unavailable)?;
                    crowds.push((campaign.vehicle.clone(), counted));
                }
                let crowds = crowds.iter().filter(|(vehicle, _)| *vehicle == campaign.vehicle).flat_map(|(_, crowds)| crowds);
                judge(of, rules, campaign, &budgets, crowds);
            }
            of.deferred = promised.get(&(code.clone(), i64::from(*version))).copied().unwrap_or_default();
            of.cost = value.value_of(of.points);
            of.roi_basis_points = roi(of.revenue, of.cost);
        }
        Ok(CampaignReportReply { campaigns: figures.into_values().collect() })
    }
}

fn find<'a>(rules: &'a AppliedProgram, code: &str) -> Option<&'a Campaign> {
    rules.program.campaigns.iter().find(|campaign| campaign.code.as_str() == code)
}

/// What a campaign may still cost, and whom it is for.
fn judge<'a>(
    of: &mut CampaignFigures,
    rules: &AppliedProgram,
    campaign: &Campaign,
    budgets: &BTreeMap<String, Points>,
    crowds: impl Iterator<Item = &'a Crowd>,
) {
    let lowest = rules.program.tiers.first().map(|tier| &tier.code);
    of.budget = campaign.budget;
    let granted = budgets.get(campaign.code.as_str()).copied().unwrap_or_default();
    of.budget_left = campaign.budget.map(|budget| (budget - granted).max(Points::ZERO));
    of.targeted = crowds.filter(|crowd| crowd.is_of(campaign, lowest)).map(|crowd| crowd.members).sum();
}

/// (revenue - cost) / cost in basis points, rounded down.
fn roi(revenue: Money, cost: Money) -> Option<i64> {
    let (revenue, cost) = (i128::from(revenue.fen()), i128::from(cost.fen()));
    (cost > 0).then(|| i64::try_from(((revenue - cost) * 10_000).div_euclid(cost)).unwrap_or(i64::MAX))
}

/// A campaign that has granted nothing yet.
fn nothing_yet(code: &str, version: u32) -> CampaignFigures {
    CampaignFigures {
        code: code.to_owned(),
        version,
        bonuses: 0,
        members: 0,
        points: Points::ZERO,
        budget: None,
        budget_left: None,
        deferred: Points::ZERO,
        targeted: 0,
        revenue: Money::ZERO,
        cost: Money::ZERO,
        roi_basis_points: None,
    }
}
