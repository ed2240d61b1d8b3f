//! Everything that enters ingest.

use jifen_contracts::event::MemberRegistered;
use jifen_runtime::Service;

use crate::{
    endpoints::{Counts, Rejects, ResubmitReject, Status},
    handlers::{documents::Documents, member_registered::MemberRegisteredHandler},
    jobs::missed_pairs::MissedPairs,
};

/// The service with its entrances.
pub fn service() -> Service {
    Service::new("ingest")
        .reads("ingest_documents", &["pos.v1.>"], Documents)
        .reads_event::<MemberRegistered, _>("ingest_member_registered", MemberRegisteredHandler)
        .answers(Status)
        .answers(Rejects)
        .answers(Counts)
        .mutates(ResubmitReject)
        .job(MissedPairs)
}
