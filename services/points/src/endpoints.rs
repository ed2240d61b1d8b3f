//! What can be asked of the ledger.

use jifen_contracts::{
    Problem, code,
    endpoint::{
        AccountGet, AccountReply, CountsReply, Empty, EntriesList, EntriesReply, EntriesRequest, Entry, Expiring, MemberGet, MemberRequest,
        PointsCounts,
    },
};
use jifen_kernel::{MemberId, Points};
use jifen_runtime::{Ctx, Failure, Query, ask};

use self::why::why;
use crate::store::{accounts, entries, listing};

mod adjustment;
mod explain;
mod freeze;
mod hold;
mod import;
mod lots;
mod members;
mod moved;
mod quote;
mod resolve;
mod review;
mod why;

pub use adjustment::{Adjustments, CreateAdjustment, Decide};
pub use explain::Explain;
pub use freeze::Freeze;
pub use hold::CreateHold;
pub use import::ImportLots;
pub use lots::{ExtendLots, Lots, ReviveLots};
pub use quote::Quote;
pub use resolve::{CaptureHold, ExtendHold, ReleaseHold, release, tell_ended};
pub use review::{RejectPending, ReleasePending};

/// Entries of a page, if the caller doesn't say.
const PAGE: u32 = 50;
/// At most.
const PAGE_MAX: u32 = 200;

fn unavailable(failure: Failure) -> Problem {
    tracing::error!(error = %failure, "a read failed");
    Problem::new(code::SERVICE_UNAVAILABLE)
}

/// `api.points.account.get`
pub struct Account;

impl Query for Account {
    type Endpoint = AccountGet;

    async fn answer(&self, cx: &Ctx, request: MemberRequest) -> Result<AccountReply, Problem> {
        let Some(account) = find_account(cx, &request.member_no).await? else {
            let member_id = ask_member(cx, request).await?;
            let none = Points::ZERO;
            return Ok(AccountReply {
                member_id,
                active: none,
                pending: none,
                reserved: none,
                debt: none,
                lifetime: none,
                expiring: Vec::new(),
                sequence: 0,
                frozen: false,
            });
        };
        let expiring = entries::list_expiring(&cx.pool, account.member_id).await.map_err(unavailable)?;
        Ok(AccountReply {
            member_id: account.member_id,
            active: account.balance.active,
            pending: account.balance.pending,
            reserved: account.balance.reserved,
            debt: account.balance.debt,
            lifetime: account.lifetime,
            expiring: expiring.into_iter().map(|(on, points)| Expiring { on, points }).collect(),
            sequence: account.sequence,
            frozen: account.frozen,
        })
    }
}

async fn find_account(cx: &Ctx, member_no: &str) -> Result<Option<accounts::AccountRow>, Problem> {
    // No text with a NUL gets into the database, so nobody has such a number.
    if member_no.contains('\0') {
        return Err(code::MEMBER_UNKNOWN.into());
    }
    accounts::find(&cx.pool, member_no).await.map_err(unavailable)
}

/// A member without an account may exist all the same: member knows.
async fn ask_member(cx: &Ctx, request: MemberRequest) -> Result<MemberId, Problem> {
    ask::<MemberGet>(&cx.nats, &request).await.map(|member| member.member_id)
}

/// `api.points.entries.list`
pub struct Entries;

impl Query for Entries {
    type Endpoint = EntriesList;

    async fn answer(&self, cx: &Ctx, request: EntriesRequest) -> Result<EntriesReply, Problem> {
        let limit = request.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Problem::new(code::REQUEST_MALFORMED).detail(format!("limit must be 1 to {PAGE_MAX}")).at("/limit"));
        }
        let Some(account) = find_account(cx, &request.member_no).await? else {
            ask_member(cx, MemberRequest { member_no: request.member_no }).await?;
            return Ok(EntriesReply { entries: Vec::new() });
        };
        let before = request.before.unwrap_or(i64::MAX);
        let listed = listing::list(&cx.pool, account.member_id, before, i64::from(limit)).await.map_err(unavailable)?;
        Ok(EntriesReply { entries: listed.into_iter().map(listed_entry).collect() })
    }
}

fn listed_entry(entry: listing::ListedEntry) -> Entry {
    let why = why(&entry);
    Entry {
        entry_id: entry.posted.entry_id,
        sequence: entry.sequence,
        kind: entry.posted.kind,
        points: entry.posted.points,
        debit: entry.debit,
        credit: entry.credit,
        store: entry.store,
        document: entry.document,
        rule: entry.posted.rule,
        why,
        category: entry.posted.category.map(String::from),
        expires_on: entry.expires_on,
        at: entry.posted_at,
        hash: entry.hash,
    }
}

/// `api.points.account.counts`
pub struct Counts;

impl Query for Counts {
    type Endpoint = PointsCounts;

    async fn answer(&self, cx: &Ctx, _: Empty) -> Result<CountsReply, Problem> {
        let counts = entries::count(&cx.pool).await.map_err(unavailable)?;
        Ok(CountsReply { counts: counts.into_iter().collect() })
    }
}
