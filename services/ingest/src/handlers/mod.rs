//! One file an inbound event, and what they share: [`intake`] is the way of a set of documents (from the stream, or handed in
//! again), [`release`] that of a set of keys that became known, [`corrections`] that of what corrects an invoice,
//! [`days`] compares stores' days with what arrived.

pub mod assign;
mod candidate;
pub mod corrections;
pub mod days;
pub mod documents;
pub mod intake;
pub mod member_news;
pub mod release;

use jifen_runtime::Ctx;

/// Whether every version of the program up to the newest is known. A copy that has just started may have heard of the newest
/// before it was told the others: a document of last year would then be refused for want of rules.
pub fn knows_the_rules(cx: &Ctx) -> bool {
    cx.programs.newest().is_some_and(|newest| (1..=newest.version).all(|version| cx.programs.get(version).is_some()))
}
