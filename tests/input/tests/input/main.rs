//! Bad input, against the readers alone and against all services on real servers.

mod documents;
mod programs;
mod requests;
mod services;
mod system;
