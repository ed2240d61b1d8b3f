//! Everything that enters ingest.

use jifen_contracts::event::{MemberActivated, MemberLapsed, MemberRegistered, MemberUpdated};
use jifen_runtime::Service;

use crate::{
    endpoints::{CompareDay, Counts, Rejects, ResubmitReject, Status},
    handlers::{assign::AssignDocument, documents::Documents, member_news::MemberNews},
    jobs::{lapse_parked::LapseParked, missed_pairs::MissedPairs},
};

/// The service with its entrances.
pub fn service() -> Service {
    Service::new("ingest")
        .reads("ingest_documents", &["pos.v1.>"], Documents)
        .reads_event::<MemberRegistered, _>("ingest_member_registered", MemberNews::new())
        .reads_event::<MemberUpdated, _>("ingest_member_updated", MemberNews::new())
        .reads_event::<MemberActivated, _>("ingest_member_activated", MemberNews::new())
        .reads_event::<MemberLapsed, _>("ingest_member_lapsed", MemberNews::new())
        .answers(Status)
        .answers(CompareDay)
        .answers(Rejects)
        .answers(Counts)
        .mutates(ResubmitReject)
        .mutates(AssignDocument)
        .job(MissedPairs)
        .daily(LapseParked)
}
