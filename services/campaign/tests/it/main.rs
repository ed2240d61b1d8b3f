//! campaign on real servers: everything that can happen to a message happens here.

mod assessment;
mod budget;
mod net;
mod returned;
mod support;
mod vehicles;
mod wider;
