//! All SQL of the service. Locks are taken in this order: `assessment` by (store, document), or `returned` by entry; `corrected` by
//! (store, document), `deferred` by (campaign, store, document), `budget` by code, `member_share` by (member, code).

pub mod announcement;
pub mod assessment;
pub mod budget;
pub mod corrected;
pub mod deferred;
pub mod member;
pub mod participation;
pub mod returned;
pub mod tier;
