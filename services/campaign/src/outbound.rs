//! From what was decided to what is published.

use jifen_contracts::event::{
    AccrualAssessed, Bonus, BonusGranted, BonusRule, BudgetExhausted, CampaignEnded, CampaignPreheated, CampaignStarted, DocumentRef,
};
use jifen_contracts::program::Campaign;
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::{Outbox, message::Cause};

use crate::{
    domain::{
        accrual::Accrual,
        announce::Kind,
        assess::{Assessment, Exhausted, Grant, GrantRule},
    },
    store::deferred::Promise,
};

/// Announces one answer, and the budgets that it used up.
pub fn announce(out: &mut Outbox, cause: &Cause, accrual: &Accrual, answer: &Assessment) {
    out.event(cause, None, &accrual_assessed(accrual, answer));
    for exhausted in &answer.exhausted {
        out.event(cause, None, &budget_exhausted(exhausted));
    }
}

/// What is posted now; what is promised comes as a grant of its own.
fn accrual_assessed(accrual: &Accrual, answer: &Assessment) -> AccrualAssessed {
    AccrualAssessed {
        store: accrual.store.clone(),
        document: accrual.document.clone(),
        member_id: accrual.member_id,
        bonuses: answer.grants.iter().filter(|grant| !grant.deferred).map(bonus).collect(),
    }
}

/// How a grant was computed.
pub fn bonus(grant: &Grant) -> Bonus {
    let rule = match &grant.rule {
        GrantRule::Multiplier { category, factor_basis_points, .. } => {
            BonusRule::Multiplier { category: category.clone(), factor_basis_points: *factor_basis_points }
        }
        GrantRule::Fixed { keep_from, categories } => BonusRule::Fixed { keep_from: *keep_from, categories: categories.clone() },
    };
    Bonus { campaign: grant.campaign.clone(), version: grant.version, points: grant.points, rule }
}

fn budget_exhausted(exhausted: &Exhausted) -> BudgetExhausted {
    BudgetExhausted { campaign: exhausted.campaign.clone(), version: exhausted.version, budget: exhausted.budget }
}

/// Grants what was promised for an invoice, on a local day.
pub fn bonus_granted(out: &mut Outbox, promise: Promise, business_date: chrono::NaiveDate) {
    let event = BonusGranted {
        campaign: promise.campaign,
        version: promise.version,
        // One for each invoice: its number is unique in its store.
        participation: format!("{}:{}", promise.store, promise.document),
        ordinal: 1,
        member_id: promise.member_id,
        member_no: promise.member_no,
        store: promise.store.clone(),
        points: promise.points,
        qualifying: true,
        at: out.now(),
        business_date,
        documents: vec![DocumentRef { store: promise.store, document: promise.document }],
        bonuses: promise.bonuses,
    };
    out.event(&Cause::default(), None, &event);
}

/// Says that a campaign began or ended: once, to nobody in particular. A notice has members always.
pub fn campaign_said(out: &mut Outbox, kind: Kind, version: u32, campaign: &Campaign) {
    let Campaign { code, name, from, to, .. } = campaign.clone();
    match kind {
        Kind::Preheated => {}
        Kind::Started => {
            let event = CampaignStarted { campaign: code, version, name, from, to, store: None, members: Vec::new() };
            out.event(&Cause::default(), None, &event);
        }
        Kind::Ended => {
            out.event(&Cause::default(), None, &CampaignEnded { campaign: code, version, name, from, to });
        }
    }
}

/// Names members of one store that may take part.
pub fn campaign_told(out: &mut Outbox, kind: Kind, version: u32, campaign: &Campaign, store: StoreCode, members: Vec<MemberId>) {
    let Campaign { code, name, from, to, .. } = campaign.clone();
    match kind {
        Kind::Preheated => {
            out.event(&Cause::default(), None, &CampaignPreheated { campaign: code, version, name, from, to, store, members });
        }
        Kind::Started => {
            let event = CampaignStarted { campaign: code, version, name, from, to, store: Some(store), members };
            out.event(&Cause::default(), None, &event);
        }
        Kind::Ended => {}
    }
}
