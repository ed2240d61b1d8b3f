//! Everything that enters: one line each.

use jifen_contracts::event::Earned;
use jifen_runtime::Service;

use crate::{endpoints::Report, handlers::AssessEarned};

/// `evt.points.earned.v1.*`         durable `campaign_earned`    [`AssessEarned`]
/// `api.campaign.campaign.report`   read                         [`Report`]
pub fn routes(service: Service) -> Service {
    service.reads_event::<Earned, _>("campaign_earned", AssessEarned).answers(Report)
}
