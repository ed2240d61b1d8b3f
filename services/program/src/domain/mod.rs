//! Files to rules ([`check`]) and back ([`files`]), rules to a version ([`version`]). Pure: text in, values out.

pub mod check;
pub mod files;
pub mod version;
