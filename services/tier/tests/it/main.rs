//! tier on real servers: everything that can happen to a message happens here.

mod endpoints;
mod standing;
mod support;
