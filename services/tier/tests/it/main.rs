//! tier on real servers: everything that can happen to a message happens here.

mod endpoints;
mod entitlements;
mod ladders;
mod standing;
mod support;
mod years;
