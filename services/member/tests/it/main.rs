//! member on real servers: registration, activation, changes, sign-ups and sold cars, the reads, the vault, and what happens when
//! everybody comes at once.

mod activation;
mod changes;
mod documents;
mod lapse;
mod privacy;
mod races;
mod reads;
mod register;
mod statements;
mod support;
