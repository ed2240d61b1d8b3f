//! program on real servers: first start, apply, copies.

mod apply;
mod start;
mod support;
