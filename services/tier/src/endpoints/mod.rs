//! What can be asked of tiers: where a member stands, and what stores and staff do.

mod announce;
mod entitlement;
mod gift;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::{
    Problem, code,
    endpoint::{MemberGet, MemberRequest},
};
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::{Ctx, Failure, ask};

use crate::store;

pub use announce::AnnounceStandings;
pub use entitlement::{UndoUse, UseEntitlement};
pub use gift::Give;
pub use standing::{Counts, StandingOfMember};

fn unavailable(failure: Failure) -> Problem {
    tracing::error!(error = %failure, "a read failed");
    Problem::new(code::SERVICE_UNAVAILABLE)
}

/// A member as a request names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub member_id: MemberId,
    /// The store of the registration; none for one who is known here.
    pub store: Option<StoreCode>,
}

/// Who has these numbers; what isn't known here `member` is asked once.
async fn name_members<'a>(cx: &Ctx, numbers: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, Result<Named, Problem>>, Failure> {
    // No text with a NUL gets into the database, so nobody has such a number.
    let numbers: BTreeSet<&str> = numbers.filter(|number| !number.contains('\0')).collect();
    let asked: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let known = store::standing::list_numbers(&cx.pool, &asked).await?;
    let mut named: BTreeMap<_, _> = known.into_iter().map(|(number, member_id)| (number, Ok(Named { member_id, store: None }))).collect();
    let unknown: Vec<String> = asked.into_iter().filter(|number| !named.contains_key(number)).collect();
    for member_no in unknown {
        let answer = ask::<MemberGet>(&cx.nats, &MemberRequest { member_no: member_no.clone() }).await;
        named.insert(member_no, answer.map(|member| Named { member_id: member.member_id, store: StoreCode::try_new(member.store).ok() }));
    }
    Ok(named)
}

/// The member of a number that [`name_members`] was asked for.
fn named(members: &BTreeMap<String, Result<Named, Problem>>, number: &str) -> Result<Named, Problem> {
    members
        .get(number)
        .cloned()
        .unwrap_or_else(|| Err(code::MEMBER_UNKNOWN.into()))
        .map_err(|problem| if problem.is_transient() { problem } else { Problem::new(code::MEMBER_UNKNOWN).at("/member_no") })
}
