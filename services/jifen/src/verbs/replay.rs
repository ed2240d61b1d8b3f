//! `jifen replay`: what is known of members is said once more, for services that weren't there when it happened: one that was added
//! later, or one whose database was lost. Whoever knows it already has nothing to do, so it harms nobody and may be broken off.

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use jifen_contracts::{
    Problem, code,
    endpoint::{AnnounceReply, AnnounceRequest, Empty, Endpoint, MemberAnnounce, MemberCounts, TierAnnounce},
};
use jifen_kernel::{Clock, Ids, MemberId, SystemClock};

use crate::{client::Client, output::Printer, settings::Settings};

/// A service that publishes as fast as it can takes nothing for a while; then so long is waited.
const BUSY_PAUSE: Duration = Duration::from_millis(500);

/// What is said once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// What others know of members: store, state, birthday's month and day, hashed keys.
    Members,
    /// The tiers of those who ever rose.
    Tiers,
}

pub async fn replay(settings: &Settings, what: &[What], out: Printer) -> Result<()> {
    let client = Client::connect(settings).await?;
    let all = [What::Members, What::Tiers];
    let members = client.ask::<MemberCounts>(&Empty {}).await?.counts.get("members").copied().unwrap_or_default();
    for what in all.into_iter().filter(|one| what.is_empty() || what.contains(one)) {
        match what {
            What::Members => announce::<MemberAnnounce>(&client, "members", members.unsigned_abs(), out).await?,
            What::Tiers => announce::<TierAnnounce>(&client, "tiers", members.unsigned_abs(), out).await?,
        }
    }
    Ok(())
}

/// Part by part, to the end.
async fn announce<E>(client: &Client, what: &'static str, most: u64, out: Printer) -> Result<()>
where
    E: Endpoint<Request = AnnounceRequest, Reply = AnnounceReply>,
{
    let bar = out.progress(most, what);
    let (mut after, mut said, mut unreadable) = (None, 0_u64, Vec::<MemberId>::new());
    loop {
        let operation_id = Ids::system().next(SystemClock.now()).to_string();
        let reply = patiently::<E>(client, &AnnounceRequest { operation_id, after }).await?;
        said += u64::from(reply.announced);
        bar.set_position(said);
        unreadable.extend(reply.unreadable);
        after = reply.after;
        if after.is_none() {
            break;
        }
    }
    bar.finish_and_clear();
    out.line(format!("{what}: {said} said once more"));
    for member in unreadable {
        out.line(format!("{what}: {member} can't be opened; doctor says more"));
    }
    Ok(())
}

/// The same part again while the service has too much to publish.
async fn patiently<E>(client: &Client, request: &AnnounceRequest) -> Result<AnnounceReply, Problem>
where
    E: Endpoint<Request = AnnounceRequest, Reply = AnnounceReply>,
{
    loop {
        match client.ask::<E>(request).await {
            Err(busy) if busy.code == code::SERVICE_BUSY.code => tokio::time::sleep(BUSY_PAUSE).await,
            answer => return answer,
        }
    }
}
