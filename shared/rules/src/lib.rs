//! jifen-rules: what a program's words mean, read the same way by whoever checks a program and whoever acts on it.
//!
//! Pure: no clock, no database, no broker. [`calendar`] knows working days and festivals from the program's own table,
//! [`lunar`] the lunar calendar, [`schedule`] on which days a campaign is open, [`condition`] conditions in CEL, [`seed`] what a
//! new program's table of holidays holds.

pub mod calendar;
pub mod condition;
pub mod lunar;
pub mod schedule;
pub mod seed;
