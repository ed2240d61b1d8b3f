//! points on real servers: everything that can happen to a message happens here.

mod ledger;
mod support;
