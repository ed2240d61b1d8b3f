//! The servers and the surroundings of tests, tried on real ones.

mod environment;
mod installation;
mod keeper;
mod runner;
mod schemas;
