//! Everything that enters points.

use jifen_contracts::endpoint::{AccountFreeze, AccountUnfreeze, AdjustmentApprove, AdjustmentReject};
use jifen_runtime::Service;

use crate::{
    endpoints::{
        Account, Adjustments, CaptureHold, Counts, CreateAdjustment, CreateHold, Decide, Entries, Explain, ExtendHold, ExtendLots, Freeze,
        ImportLots, Lots, Quote, RejectPending, ReleaseHold, ReleasePending, ReviveLots,
    },
    handlers::{
        accrual_assessed::AccrualAssessedHandler, bonus_granted::BonusGrantedHandler, interaction_recorded::InteractionRecordedHandler,
        invoice_accepted::InvoiceAcceptedHandler, invoice_refunded::InvoiceRefundedHandler, invoice_voided::InvoiceVoidedHandler,
        member_activated::MemberActivatedHandler, partner_purchase_recorded::PartnerPurchaseRecordedHandler,
    },
    jobs::{
        correct::Correct,
        expiry::Expiry,
        holds::ExpireHolds,
        lapse::Lapse,
        offsets::Offsets,
        release::Release,
        seal::Sealer,
        settle::{Closing, Summing},
    },
};

/// The service with its entrances.
pub fn service() -> Service {
    Service::new("points")
        .reads_event("points_invoice_accepted", InvoiceAcceptedHandler)
        .reads_event("points_invoice_refunded", InvoiceRefundedHandler)
        .reads_event("points_invoice_voided", InvoiceVoidedHandler)
        .reads_event("points_accrual_assessed", AccrualAssessedHandler)
        .reads_event("points_interaction_recorded", InteractionRecordedHandler)
        .reads_event("points_partner_purchase_recorded", PartnerPurchaseRecordedHandler)
        .reads_event("points_bonus_granted", BonusGrantedHandler)
        .reads_event("points_member_activated", MemberActivatedHandler)
        .answers(Account)
        .answers(Entries)
        .answers(Explain)
        .answers(Counts)
        .answers(Quote)
        .answers(Adjustments)
        .answers(Lots)
        .mutates(CreateHold)
        .mutates(CaptureHold)
        .mutates(ReleaseHold)
        .mutates(ExtendHold)
        .mutates(ExtendLots)
        .mutates(ReviveLots)
        .mutates(ReleasePending)
        .mutates(RejectPending)
        .mutates(ImportLots)
        .mutates(CreateAdjustment)
        .mutates(Decide::<AdjustmentApprove>::default())
        .mutates(Decide::<AdjustmentReject>::default())
        .mutates(Freeze::<AccountFreeze>::default())
        .mutates(Freeze::<AccountUnfreeze>::default())
        .job(Release::default())
        .job(Correct::default())
        .job(Sealer)
        .job(ExpireHolds::default())
        .job(Summing)
        .daily(Closing)
        .daily(Offsets)
        .daily(Lapse::default())
        .daily(Expiry::default())
}
