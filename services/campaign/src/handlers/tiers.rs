//! `tier.upgraded`, `tier.downgraded`, and `tier.standing`, which says it once more: which tier was in force when.
//!
//! Each change counts once, by the member's ordinal, in whatever order it comes.

use std::collections::BTreeMap;

use jifen_contracts::{
    EventType,
    event::{TierDowngraded, TierStanding, TierUpgraded},
};
use jifen_kernel::MemberId;
use jifen_runtime::{
    BatchHandler, Ctx, Decode, Event, Failure, Fates, Incoming, Outbox, Poison,
    message::{Cause, RawMessage},
};
use sqlx::PgConnection;

use crate::{domain::person::TierChange, store::tier};

/// Learns changes of tier.
pub struct LearnTiers;

/// A change of a member's tier.
#[derive(Debug)]
pub struct TierFact {
    member_id: MemberId,
    change: TierChange,
}

impl TierFact {
    /// The subjects of these events.
    pub fn filters() -> [String; 3] {
        [TierUpgraded::filter(), TierDowngraded::filter(), TierStanding::filter()]
    }
}

impl Decode for TierFact {
    fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison> {
        match raw.subject.split('.').nth(2) {
            Some(TierUpgraded::NAME) => {
                let (event, cause) = Event::<TierUpgraded>::decode(raw)?;
                let TierUpgraded { member_id, ordinal, at, to, .. } = event.data;
                Ok((Self { member_id, change: TierChange { ordinal, at, tier: to } }, cause))
            }
            Some(TierDowngraded::NAME) => {
                let (event, cause) = Event::<TierDowngraded>::decode(raw)?;
                let TierDowngraded { member_id, ordinal, at, to, .. } = event.data;
                Ok((Self { member_id, change: TierChange { ordinal, at, tier: to } }, cause))
            }
            _ => {
                let (event, cause) = Event::<TierStanding>::decode(raw)?;
                let TierStanding { member_id, ordinal, since, tier, .. } = event.data;
                Ok((Self { member_id, change: TierChange { ordinal, at: since, tier } }, cause))
            }
        }
    }
}

impl BatchHandler for LearnTiers {
    type Item = TierFact;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &[Incoming<TierFact>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        _: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<TierFact>],
        (): &(),
        _: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let changes: BTreeMap<_, _> = batch.iter().map(|incoming| (key(&incoming.item), &incoming.item.change)).collect();
        tier::save(tx, &changes).await?;
        Ok(Fates::done())
    }
}

fn key(fact: &TierFact) -> (MemberId, i64) {
    (fact.member_id, fact.change.ordinal)
}
