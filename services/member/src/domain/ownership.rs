//! Whose a sold car is: of several sales of one car the latest decides, in whatever order they come. A sale outweighs what was
//! said at a registration.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, StoreCode, Vin};

use super::{Profile, Vehicle};

/// A car handed over to a member. Ordered so that the last one decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sale {
    /// When.
    pub delivered_at: DateTime<Utc>,
    /// The selling store.
    pub store: StoreCode,
    /// Its number there.
    pub sale_no: String,
    /// The buyer.
    pub member_id: MemberId,
}

/// Makes a car the buyer's from a day on; it leaves whoever had it, with its plate. True if something changed. `None` if the
/// buyer has no room for it.
pub fn decide_owner(buyer: &mut Profile, before: Option<&mut Profile>, vin: &Vin, owned_since: NaiveDate) -> Option<bool> {
    let car = Vehicle { vin: Some(vin.clone()), plate: None, owned_since };
    if let Some(number) = buyer.number_of(&car) {
        let had = buyer.vehicles.get_mut(&number)?;
        let changed = had.owned_since != owned_since;
        had.owned_since = owned_since;
        return Some(changed);
    }
    let plate = before.and_then(|before| {
        let number = before.number_of(&car)?;
        before.vehicles.remove(&number)?.plate
    });
    buyer.add(Vehicle { plate, ..car }).then_some(true)
}
