//! The rules, one file a subject.

pub mod codes;
pub mod dependencies;
pub mod domain;
pub mod migrations;
pub mod services;
pub mod sql;
pub mod tests_that_fail;
pub mod vendored;
