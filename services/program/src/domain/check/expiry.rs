//! `expiry.toml`: how long points live.

use jifen_contracts::program::Expiry;

use super::{File, Findings, values};

/// Months, mode and the least time.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Expiry> {
    let months = file.top.read("months", found, values::whole(12..=36));
    let mode = file.top.read("mode", found, values::word(&["end_of_month", "exact_day"]));
    let min_days_after_posting = file.top.read("min_days_after_posting", found, values::whole(0..=365));
    file.finish(found);
    Some(Expiry { months: months?, mode: mode?, min_days_after_posting: min_days_after_posting? })
}
