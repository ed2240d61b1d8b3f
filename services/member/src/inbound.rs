//! Everything that enters member.

use jifen_contracts::event::VehicleSold;
use jifen_runtime::Service;

use crate::{
    endpoints::{
        ActivateMember, AnnounceMembers, BatchContacts, ChangeConsent, CountMembers, GetMember, ListMembers, RegisterMembers,
        SearchMembers, SendCode, UpdateMember,
    },
    handlers::{sign_up::SignUps, vehicle_sold::VehicleSales},
    jobs::lapse::Lapse,
    vault,
};

/// The service with its entrances.
pub fn service() -> Service {
    Service::new("member")
        // First: without the vault's key no endpoint is opened.
        .at_start(vault::require)
        .reads("member_sign_up", &["pos.v1.*.sign_up"], SignUps)
        .reads_event::<VehicleSold, _>("member_vehicle_sold", VehicleSales)
        .mutates(RegisterMembers)
        .mutates(ActivateMember)
        .mutates(SendCode)
        .mutates(ChangeConsent)
        .mutates(UpdateMember)
        .mutates(AnnounceMembers)
        .answers(GetMember)
        .answers(ListMembers)
        .answers(SearchMembers)
        .answers(BatchContacts)
        .answers(CountMembers)
        .daily(Lapse)
}
