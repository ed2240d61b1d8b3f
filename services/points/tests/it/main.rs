//! points on real servers: everything that can happen to a message happens here.

mod activation;
mod batches;
mod breakage;
mod caps;
mod corrections;
mod costs;
mod direct;
mod ends;
mod ends_moved;
mod ends_of_a_year;
mod ledger;
mod locks;
mod lots;
mod model;
mod offsets;
mod pending;
mod plans;
mod reviews;
mod seals;
mod settlement;
mod staff;
mod support;
mod tamper;
mod till;
