//! Everything that enters: one line each.

use jifen_contracts::event::{Earned, Reversed};
use jifen_runtime::Service;

use crate::{
    endpoints::Report,
    handlers::{AssessEarned, LearnMembers, LearnTiers, MemberFact, ReturnBonuses, TierFact},
    jobs::{AnnounceCampaigns, GrantPromises},
};

/// `evt.points.earned.v1.*`                                  durable `campaign_earned`    [`AssessEarned`]
/// `evt.points.reversed.v1.*`                                durable `campaign_reversed`  [`ReturnBonuses`]
/// `evt.member.{registered,activated,lapsed,updated}.v1.*`   durable `campaign_members`   [`LearnMembers`]
/// `evt.tier.{upgraded,downgraded,standing}.v1.*`            durable `campaign_tiers`     [`LearnTiers`]
/// `api.campaign.campaign.report`                            read                         [`Report`]
/// once a business day                                       job                          [`AnnounceCampaigns`]
/// once a business day                                       job                          [`GrantPromises`]
pub fn routes(service: Service) -> Service {
    service
        .reads_event::<Earned, _>("campaign_earned", AssessEarned::default())
        .reads_event::<Reversed, _>("campaign_reversed", ReturnBonuses)
        .reads("campaign_members", &MemberFact::filters().each_ref().map(String::as_str), LearnMembers)
        .reads("campaign_tiers", &TierFact::filters().each_ref().map(String::as_str), LearnTiers)
        .answers(Report)
        .daily(AnnounceCampaigns)
        .daily(GrantPromises)
}
