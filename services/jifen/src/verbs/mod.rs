//! The operator's verbs, one file each.

pub mod account;
pub mod adjust;
pub mod day;
pub mod dead_letters;
pub mod doctor;
pub mod explain;
pub mod freeze;
pub mod migrate;
pub mod program;
pub mod publish;
pub mod rejects;
pub mod replay;
pub mod settlement;
pub mod store;
pub mod verify;
