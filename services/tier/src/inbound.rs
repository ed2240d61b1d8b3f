//! Everything that enters: one line each.

use jifen_contracts::{
    endpoint::{TierApprove, TierInvite},
    event::{AccrualSettled, MemberActivated, MemberRegistered, Reversed, VehicleSold},
};
use jifen_runtime::Service;

use crate::{
    endpoints::{AnnounceStandings, Counts, Give, StandingOfMember, UndoUse, UseEntitlement},
    handlers::{Activate, Count, Deduct, Register},
    jobs::YearsRun,
};

/// `evt.points.accrual_settled.v1.*`   durable `tier_accrual_settled`    [`Count`]
/// `evt.points.reversed.v1.*`          durable `tier_reversed`           [`Deduct`]
/// `evt.ingest.vehicle_sold.v1.*`      durable `tier_vehicle_sold`       [`Count`]
/// `evt.member.registered.v1.*`        durable `tier_member_registered`  [`Register`]
/// `evt.member.activated.v1.*`         durable `tier_member_activated`   [`Activate`]
/// `api.tier.standing.get`             read                              [`StandingOfMember`]
/// `api.tier.standing.counts`          read                              [`Counts`]
/// `api.tier.entitlement.use`          mutating                          [`UseEntitlement`]
/// `api.tier.entitlement.undo`         mutating                          [`UndoUse`]
/// `api.tier.member.invite`            mutating                          [`Give`]
/// `api.tier.member.approve`           mutating                          [`Give`]
/// every business day                  in parts                          [`YearsRun`]
pub fn routes(service: Service) -> Service {
    service
        .reads_event::<AccrualSettled, _>("tier_accrual_settled", Count::<AccrualSettled>::default())
        .reads_event::<Reversed, _>("tier_reversed", Deduct)
        .reads_event::<VehicleSold, _>("tier_vehicle_sold", Count::<VehicleSold>::default())
        .reads_event::<MemberRegistered, _>("tier_member_registered", Register)
        .reads_event::<MemberActivated, _>("tier_member_activated", Activate)
        .answers(StandingOfMember)
        .answers(Counts)
        .mutates(AnnounceStandings)
        .mutates(UseEntitlement)
        .mutates(UndoUse)
        .mutates(Give::<TierInvite>::default())
        .mutates(Give::<TierApprove>::default())
        .daily(YearsRun)
}
