//! Timed entrances: what waited is sent, what could not be sent is said and told another way, birthdays are greeted ahead, and what
//! was kept for nothing is forgotten.

mod birthdays;
mod due;
mod forget;
mod unsent;

pub use birthdays::Birthdays;
pub use due::SendDue;
pub use forget::Forget;
pub use unsent::Unsent;
