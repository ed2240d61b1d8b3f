//! The product through its own door: the executable, started as an operator starts it, and clients that know nothing but the
//! wire contract.

mod amnesia;
mod any_order;
mod bad_documents;
mod costs;
mod defaults;
mod documents;
mod earning;
mod expiry;
mod figures;
mod handed_in;
mod killed;
mod new_user;
mod operator;
mod proofs;
mod races;
mod refunds;
mod same_result;
mod servers;
mod stores;
mod till;
mod travel;
mod waiting;
