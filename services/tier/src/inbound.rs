//! Everything that enters: one line each.

use jifen_contracts::event::AccrualSettled;
use jifen_runtime::Service;

use crate::{
    endpoints::{Counts, StandingOfMember},
    handlers::CountAccruals,
};

/// `evt.points.accrual_settled.v1.*`   durable `tier_accrual_settled`   [`CountAccruals`]
/// `api.tier.standing.get`             read                             [`StandingOfMember`]
/// `api.tier.standing.counts`          read                             [`Counts`]
pub fn routes(service: Service) -> Service {
    service.reads_event::<AccrualSettled, _>("tier_accrual_settled", CountAccruals).answers(StandingOfMember).answers(Counts)
}
