//! Everything that enters: one line each.

use jifen_contracts::event::{AccrualSettled, MemberCodeIssued, MemberRegistered, Reversed, TierUpgraded};
use jifen_runtime::{Event, Service};

use crate::{
    endpoints::{Counts, History, Preview},
    handlers::{CampaignNews, ExpiryNews, MemberNews, Reply, Report, Tell, Unanswered},
    jobs::{Birthdays, Forget, SendDue, Unsent},
    opt_out::OptOut,
};

/// `evt.member.registered.v1.*`        durable `notification_registered`         [`Tell`] welcome
/// `evt.member.code_issued.v1.*`       durable `notification_code_issued`        [`Tell`] activation code
/// `evt.points.accrual_settled.v1.*`   durable `notification_settled`            [`Tell`] points earned; staff: call after a repair
/// `evt.points.reversed.v1.*`          durable `notification_reversed`           [`Tell`] points taken back
/// `evt.tier.upgraded.v1.*`            durable `notification_upgraded`           [`Tell`] tier upgraded
/// [`MemberNews`]                      durable `notification_member_news`        [`Tell`] what happens to one member now and then
/// [`CampaignNews`]                    durable `notification_campaign_news`      [`Tell`] campaign preheat and start
/// [`ExpiryNews`]                      durable `notification_expiry_news`        [`Tell`] points that will end, or have
/// `gateway.v1.*.receipt`              durable `notification_gateway_receipts`   [`Report`]
/// `gateway.v1.*.reply`                durable `notification_gateway_replies`    [`Reply`]
/// lost commands of `NOTIFY`           which are still needed                    [`Unanswered`]
/// every 2 s                           job `send_due`                            [`SendDue`]
/// every local day                     job `birthdays`                           [`Birthdays`]
/// every 10 min                        job `forget`                              [`Forget`]
/// `api.notification.send.counts`      read                                      [`Counts`]
/// `api.notification.message.preview`  read                                      [`Preview`]
/// `api.notification.message.history`  read                                      [`History`]
/// `api.notification.message.opt_out`  mutating                                  [`OptOut`]
pub fn routes(service: Service) -> Service {
    let (members, campaigns, expiry) = (MemberNews::filters(), CampaignNews::filters(), ExpiryNews::filters());
    service
        .reads_event("notification_registered", Tell::<Event<MemberRegistered>>::new())
        .reads_event("notification_code_issued", Tell::<Event<MemberCodeIssued>>::new())
        .reads_event("notification_settled", Tell::<Event<AccrualSettled>>::new())
        .reads_event("notification_reversed", Tell::<Event<Reversed>>::new())
        .reads_event("notification_upgraded", Tell::<Event<TierUpgraded>>::new())
        .reads("notification_member_news", &texts(&members), Tell::<MemberNews>::new())
        .reads("notification_campaign_news", &texts(&campaigns), Tell::<CampaignNews>::new())
        .reads("notification_expiry_news", &texts(&expiry), Tell::<ExpiryNews>::new())
        .reads("notification_gateway_receipts", &["gateway.v1.*.receipt"], Report)
        .reads("notification_gateway_replies", &["gateway.v1.*.reply"], Reply)
        .republishes(Unanswered)
        .job(SendDue)
        .job(Unsent)
        .daily(Birthdays)
        .job(Forget)
        .answers(Counts)
        .answers(Preview)
        .answers(History)
        .mutates(OptOut)
}

fn texts(filters: &[String]) -> Vec<&str> {
    filters.iter().map(String::as_str).collect()
}
