//! From what was decided to what is published.

use jifen_contracts::event::TierUpgraded;

use crate::domain::{contribution::Contribution, standing::Upgrade};

/// A step up, and the accrual that took it.
pub fn tier_upgraded(cause: &Contribution, upgrade: &Upgrade) -> TierUpgraded {
    TierUpgraded {
        member_id: cause.member_id,
        member_no: cause.member_no.clone(),
        from: upgrade.from.clone(),
        to: upgrade.to.tier.clone(),
        ordinal: upgrade.ordinal,
        at: upgrade.to.since,
        program_version: upgrade.to.program_version,
        store: cause.store.clone(),
        document: cause.document.clone(),
    }
}
