//! notification on real servers: told once whatever comes again, and what gateways report.

mod gateway;
mod statements;
mod support;
mod tell;
