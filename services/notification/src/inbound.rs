//! Everything that enters: one line each.

use jifen_contracts::event::{AccrualSettled, MemberRegistered, TierUpgraded};
use jifen_runtime::Service;

use crate::{
    endpoints::Counts,
    handlers::{Report, Tell, Unanswered},
};

/// `evt.member.registered.v1.*`        durable `notification_registered`         [`Tell`] welcome
/// `evt.points.accrual_settled.v1.*`   durable `notification_settled`            [`Tell`] points earned
/// `evt.tier.upgraded.v1.*`            durable `notification_upgraded`           [`Tell`] tier upgraded
/// `gateway.v1.*.receipt`              durable `notification_gateway_receipts`   [`Report`]
/// lost commands of `NOTIFY`           which are still needed                    [`Unanswered`]
/// `api.notification.send.counts`      read                                      [`Counts`]
pub fn routes(service: Service) -> Service {
    service
        .reads_event("notification_registered", Tell::<MemberRegistered>::new())
        .reads_event("notification_settled", Tell::<AccrualSettled>::new())
        .reads_event("notification_upgraded", Tell::<TierUpgraded>::new())
        .reads("notification_gateway_receipts", &["gateway.v1.*.receipt"], Report)
        .republishes(Unanswered)
        .answers(Counts)
}
