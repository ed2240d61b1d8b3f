//! tier on real servers: everything that can happen to a message happens here.

mod bus;
mod endpoints;
mod standing;
mod statements;
mod support;
