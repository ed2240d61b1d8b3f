//! Notice, beginning and end of campaigns, and the members who are told.
//!
//! The first part of a day claims what is to be said and says it; every further part names some of the members of one
//! campaign's audience. What is left to be told stands in the day's cursor, written with the claim: so each member is named
//! once, whatever copy dies where.

use jifen_contracts::{event::MEMBERS_TOLD, program::Campaign};
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Step};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::versions;
use crate::{
    domain::{
        announce::{Kind, list_announcements},
        audience::Audience,
    },
    outbound,
    store::{announcement, member},
};

/// Members of one part: four full events, so that a part is soon over.
const MEMBERS_A_PART: usize = 4 * MEMBERS_TOLD;

/// Announces campaigns.
#[derive(Debug, Default)]
pub struct AnnounceCampaigns;

/// Where a day's telling goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Telling {
    /// What is left, the present one first.
    left: Vec<Told>,
    /// The last member of the present one that was named.
    after: (String, Uuid),
}

/// A campaign whose audience is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    kind: String,
    campaign: String,
    version: u32,
}

impl DailyJob for AnnounceCampaigns {
    const NAME: &'static str = "announce_campaigns";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        let telling = match &due.cursor {
            None => Telling { left: say(cx, tx, due, out).await?, after: (String::new(), Uuid::nil()) },
            Some(cursor) => {
                let telling = serde_json::from_value(cursor.clone()).map_err(|_| Failure::defect("a day's cursor can't be read"))?;
                tell(cx, tx, telling, out).await?
            }
        };
        if telling.left.is_empty() {
            return Ok(Step::Done);
        }
        let cursor = serde_json::to_value(&telling).map_err(|_| Failure::defect("a day's cursor can't be written"))?;
        Ok(Step::More(cursor))
    }
}

/// Claims what is due and says it; gives back whose members are to be told.
async fn say(cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Vec<Told>, Failure> {
    let versions = versions(cx);
    let started = announcement::list_started(tx).await?;
    let versions: Vec<_> = versions.iter().map(AsRef::as_ref).collect();
    let announcements = list_announcements(&versions, due.day, &started);
    let mut told = Vec::new();
    for place in announcement::claim(tx, &announcements, out.now()).await? {
        let announcement = &announcements[place];
        let Some(campaign) = find(cx, announcement.version, announcement.campaign.as_str()) else { continue };
        outbound::campaign_said(out, announcement.kind, announcement.version, &campaign);
        // Only an offer with a notice is told to members: a double day every week is not.
        if campaign.preheat_days.is_some() && announcement.kind != Kind::Ended {
            let kind = announcement.kind.as_str().to_owned();
            told.push(Told { kind, campaign: campaign.code.to_string(), version: announcement.version });
        }
    }
    Ok(told)
}

/// Names the next members of the present campaign's audience.
async fn tell(cx: &Ctx, tx: &mut PgConnection, mut telling: Telling, out: &mut Outbox) -> Result<Telling, Failure> {
    let Some(told) = telling.left.first() else { return Ok(telling) };
    let lowest = cx.programs.get(told.version).and_then(|applied| applied.program.tiers.first().map(|tier| tier.code.clone()));
    let Some((kind, campaign)) = Kind::of(&told.kind).zip(find(cx, told.version, &told.campaign)) else {
        return Err(Failure::transient("the version of a campaign that is told isn't known here yet"));
    };
    let audience = Audience::of(&campaign, lowest.as_ref());
    let limit = i64::try_from(MEMBERS_A_PART).unwrap_or(i64::MAX);
    let members = member::list_audience(tx, &audience, (&telling.after.0, telling.after.1), limit).await?;
    for (store, members) in lists(&members) {
        outbound::campaign_told(out, kind, told.version, &campaign, store, members);
    }
    if let Some((store, member)) = members.last().filter(|_| members.len() == MEMBERS_A_PART) {
        telling.after = (store.to_string(), member.0);
    } else {
        telling.left.remove(0);
        telling.after = (String::new(), Uuid::nil());
    }
    Ok(telling)
}

/// Members in their order, by store, in lists that one event may hold.
fn lists(members: &[(StoreCode, MemberId)]) -> Vec<(StoreCode, Vec<MemberId>)> {
    let stores = members.chunk_by(|one, next| one.0 == next.0);
    let lists = stores.flat_map(|store| store.chunks(MEMBERS_TOLD));
    lists.filter_map(|list| Some((list.first()?.0.clone(), list.iter().map(|(_, member)| *member).collect()))).collect()
}

fn find(cx: &Ctx, version: u32, code: &str) -> Option<Campaign> {
    let applied = cx.programs.get(version)?;
    applied.program.campaigns.iter().find(|campaign| campaign.code.as_str() == code).cloned()
}
