//! member on real servers: registration, the reads, the vault, and what happens when everybody registers at once.

mod privacy;
mod races;
mod reads;
mod register;
mod statements;
mod support;
