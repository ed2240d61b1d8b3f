//! `api.tier.standing.announce`: where members stand is said once more, for services that weren't there when they rose.
//!
//! Nothing changes and nothing is locked: an ordinal stands for one tier, whenever it is said. Who never left the lowest step is not
//! named, since everybody begins there.

use jifen_contracts::{
    Problem, code,
    endpoint::{AnnounceReply, AnnounceRequest, TierAnnounce},
};
use jifen_kernel::MemberId;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{outbound, store::standing};

/// Members of one part.
const PART: i64 = 1_000;

/// `api.tier.standing.announce`.
pub struct AnnounceStandings;

impl Mutation for AnnounceStandings {
    type Endpoint = TierAnnounce;
    type Prepared = ();

    fn operation_id(request: &AnnounceRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<AnnounceRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<AnnounceRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<AnnounceReply, Problem>>, Failure> {
        let Some(now) = cx.programs.in_force_at(out.now()) else {
            let none = || Err(Problem::new(code::SERVICE_UNAVAILABLE).detail("no program in force is known yet"));
            return Ok(batch.iter().map(|_| none()).collect());
        };
        let mut answers = Vec::with_capacity(batch.len());
        for asked in batch {
            let after = asked.request.after.map_or(Uuid::nil(), |member| member.0);
            let standings = standing::list_risen(tx, after, PART).await?;
            let mut announced = 0;
            for (member, standing) in &standings {
                if let Some(said) = outbound::standing(*member, standing, &now)? {
                    out.event(&asked.cause, Some(standing.changes), &said);
                    announced += 1;
                }
            }
            let is_full = i64::try_from(standings.len()).unwrap_or(PART) == PART;
            let after: Option<MemberId> = standings.keys().next_back().filter(|_| is_full).copied();
            answers.push(Ok(AnnounceReply { announced, unreadable: Vec::new(), after }));
        }
        Ok(answers)
    }
}
