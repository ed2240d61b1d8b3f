//! Timed entrances: what a business day brings for campaigns as a whole.

mod announce;
mod grant_promises;

pub use announce::AnnounceCampaigns;
pub use grant_promises::GrantPromises;

use std::sync::Arc;

use jifen_contracts::program::AppliedProgram;
use jifen_runtime::Ctx;

/// Every version that is known: numbers have no gaps.
fn versions(cx: &Ctx) -> Vec<Arc<AppliedProgram>> {
    let newest = cx.programs.newest().map_or(0, |applied| applied.version);
    (1..=newest).filter_map(|version| cx.programs.get(version)).collect()
}
