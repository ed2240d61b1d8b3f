//! Timed entrances: what waited is sent, birthdays are greeted ahead, and what was kept for nothing is forgotten.

mod birthdays;
mod due;
mod forget;

pub use birthdays::Birthdays;
pub use due::SendDue;
pub use forget::Forget;
