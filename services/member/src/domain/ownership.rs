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

/// What all known sales of a car say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoldCar {
    /// Its last buyer's since this day.
    pub owned_since: NaiveDate,
    /// Its series, as the last sale says that says one.
    pub series: Option<String>,
    /// The day of the first one.
    pub new_on: NaiveDate,
}

impl SoldCar {
    /// Notes on a car what its sales say: they outweigh what was said at a registration. True if that is new.
    pub fn describe(&self, car: &mut Vehicle) -> bool {
        let before = car.clone();
        car.series = self.series.clone().or(car.series.take());
        car.new_on = Some(car.new_on.map_or(self.new_on, |known| known.min(self.new_on)));
        *car != before
    }
}

/// Makes a car the buyer's from a day on; it leaves whoever had it, with its plate and what is known of it. True if something
/// changed. `None` if the buyer has no room for it.
pub fn decide_owner(buyer: &mut Profile, before: Option<&mut Profile>, vin: &Vin, sold: &SoldCar) -> Option<bool> {
    let car = Vehicle { vin: Some(vin.clone()), plate: None, owned_since: sold.owned_since, series: None, new_on: None };
    if let Some(number) = buyer.number_of(&car) {
        let had = buyer.vehicles.get_mut(&number)?;
        let moved = had.owned_since != sold.owned_since;
        had.owned_since = sold.owned_since;
        return Some(sold.describe(had) || moved);
    }
    let had = before.and_then(|before| {
        let number = before.number_of(&car)?;
        before.vehicles.remove(&number)
    });
    let mut car = had.map_or(car.clone(), |had| Vehicle { plate: had.plate, series: had.series, new_on: had.new_on, ..car });
    sold.describe(&mut car);
    buyer.add(car).then_some(true)
}
