//! From what was decided to what is published.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    event::{EntitlementExpired, EntitlementGranted, EntitlementUsed, TierDowngradeWarned, TierDowngraded, TierStanding, TierUpgraded},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::Failure;

use crate::{
    domain::{
        decide::Warning,
        entitlement::Entitlement,
        standing::{Change, Standing},
    },
    settle::store_of,
    store::entitlement::Use,
};

/// A step up, and the document that took it.
pub fn upgraded(
    member_id: MemberId,
    standing: &Standing,
    change: &Change,
    store: StoreCode,
    document: &str,
    at: DateTime<Utc>,
) -> TierUpgraded {
    TierUpgraded {
        member_id,
        member_no: standing.member_no.clone(),
        from: change.from.clone(),
        to: change.to.tier.clone(),
        ordinal: change.ordinal,
        at,
        program_version: change.to.program_version,
        store,
        document: document.to_owned(),
    }
}

/// A step down.
pub fn downgraded(member_id: MemberId, standing: &Standing, change: &Change, store: StoreCode, at: DateTime<Utc>) -> TierDowngraded {
    TierDowngraded {
        member_id,
        member_no: standing.member_no.clone(),
        from: change.from.clone(),
        to: change.to.tier.clone(),
        ordinal: change.ordinal,
        at,
        program_version: change.to.program_version,
        store,
    }
}

/// Where a member stands, for those who missed it; nothing of one who never left the lowest step.
pub fn standing(member_id: MemberId, standing: &Standing, now: &AppliedProgram) -> Result<Option<TierStanding>, Failure> {
    let Some(reached) = standing.reached.as_ref().filter(|_| standing.changes > 0) else { return Ok(None) };
    Ok(Some(TierStanding {
        member_id,
        member_no: standing.member_no.clone(),
        tier: reached.tier.clone(),
        ordinal: standing.changes,
        since: reached.since,
        program_version: reached.program_version,
        store: store_of(standing, now)?,
    }))
}

/// A step down to come.
pub fn warned(member_id: MemberId, standing: &Standing, warning: &Warning, store: StoreCode, at: DateTime<Utc>) -> TierDowngradeWarned {
    TierDowngradeWarned {
        member_id,
        member_no: standing.member_no.clone(),
        from: warning.from.clone(),
        to: warning.to.clone(),
        on: warning.on,
        at,
        program_version: warning.program_version,
        store,
    }
}

/// A countable benefit is there.
pub fn granted(
    member_id: MemberId,
    standing: &Standing,
    entitlement: &Entitlement,
    program_version: u32,
    store: StoreCode,
    at: DateTime<Utc>,
) -> EntitlementGranted {
    EntitlementGranted {
        entitlement_id: entitlement.id,
        member_id,
        member_no: standing.member_no.clone(),
        tier: entitlement.tier.clone(),
        benefit: entitlement.kind.clone(),
        name: entitlement.name.clone(),
        count: entitlement.count,
        valid_until: entitlement.valid_until,
        at,
        program_version,
        store,
    }
}

/// A countable benefit is over.
pub fn expired(
    member_id: MemberId,
    standing: &Standing,
    entitlement: &Entitlement,
    store: StoreCode,
    at: DateTime<Utc>,
) -> EntitlementExpired {
    EntitlementExpired {
        entitlement_id: entitlement.id,
        member_id,
        member_no: standing.member_no.clone(),
        benefit: entitlement.kind.clone(),
        name: entitlement.name.clone(),
        left: entitlement.left(),
        valid_until: entitlement.valid_until,
        at,
        store,
    }
}

/// A use, or one taken back.
pub fn used(standing: &Standing, entitlement: &Entitlement, used: &Use, at: DateTime<Utc>) -> EntitlementUsed {
    EntitlementUsed {
        entitlement_id: entitlement.id,
        use_id: used.use_id,
        undone: used.undone,
        member_id: used.member_id,
        member_no: standing.member_no.clone(),
        benefit: entitlement.kind.clone(),
        name: entitlement.name.clone(),
        left: entitlement.left(),
        valid_until: entitlement.valid_until,
        at,
        store: used.store.clone(),
        document: used.document.clone(),
    }
}
