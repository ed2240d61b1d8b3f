//! tier on real servers: everything that can happen to a message happens here.

mod deductions;
mod endpoints;
mod entitlements;
mod ladders;
mod standing;
mod support;
mod years;
