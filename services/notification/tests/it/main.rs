//! notification on real servers: told once whatever comes again, and what gateways report.

mod birthdays;
mod endpoints;
mod gateway;
mod news;
mod opt_out;
mod statements;
mod support;
mod tell;
mod waiting;
mod ways;
