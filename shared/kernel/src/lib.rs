//! The words every service shares: identifiers, points, money, time, codes and values that print masked.
//!
//! Nothing here knows a runtime, a database or a broker. Time, identifiers and randomness enter as
//! parameters ([`Clock`], [`Ids`]), so that years of expiry run in a test in milliseconds.

pub mod clock;
pub mod codes;
pub mod ids;
pub mod masked;
pub mod money;
pub mod points;

pub use clock::{Clock, ManualClock, SystemClock};
pub use codes::{StoreCode, Token};
pub use ids::{Ids, MemberId};
pub use masked::{PersonName, Phone, Plate, Vin};
pub use money::{BadMoney, Money};
pub use points::{Points, Rate};
