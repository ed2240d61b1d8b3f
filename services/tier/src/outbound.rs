//! From what was decided to what is published.

use chrono::{DateTime, Utc};
use jifen_contracts::event::{EntitlementExpired, EntitlementGranted, EntitlementUsed, TierDowngradeWarned, TierDowngraded, TierUpgraded};
use jifen_kernel::{MemberId, StoreCode};

use crate::{
    domain::{
        decide::Warning,
        entitlement::Entitlement,
        standing::{Change, Standing},
    },
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
