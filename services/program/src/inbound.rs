//! Everything that enters this service. It reads no stream: rules come from people, by request.

use jifen_runtime::Service;

use crate::{
    endpoints::{Apply, Check, Get, List},
    jobs::{FirstVersion, store_first_version},
};

/// The service as the executable runs it.
pub fn service() -> Service {
    Service::new("program")
        // Before anything is answered: an empty rulebook is never shown.
        .at_start(store_first_version)
        .answers(List)
        .answers(Get)
        .answers(Check)
        .mutates(Apply)
        .job(FirstVersion)
}
