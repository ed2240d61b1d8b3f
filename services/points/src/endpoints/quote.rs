//! `api.points.quote.get`: what points pay of a bill.

use jifen_contracts::{
    Problem, code,
    endpoint::{MemberRequest, QuoteGet, QuoteReply, QuoteRequest},
};
use jifen_kernel::{Points, clock};
use jifen_runtime::{Ctx, Query};

use super::{ask_member, find_account, members::some_points, unavailable};
use crate::{
    domain::quote::{Wanted, decide_quote},
    store::lots,
};

/// `api.points.quote.get`
pub struct Quote;

impl Query for Quote {
    type Endpoint = QuoteGet;

    async fn answer(&self, cx: &Ctx, request: QuoteRequest) -> Result<QuoteReply, Problem> {
        let applied = cx.programs.in_force_at(cx.clock.now()).ok_or(code::SERVICE_UNAVAILABLE)?;
        let wanted = match (request.points, request.offset) {
            (Some(_), Some(_)) => return Err(Problem::new(code::REQUEST_MALFORMED).detail("either points or offset").at("/offset")),
            (Some(points), None) => Wanted::Points(some_points(points, "/points")?),
            (None, Some(offset)) => Wanted::Offset(offset),
            (None, None) => Wanted::Most,
        };
        let active = match request.member_no {
            None => None,
            Some(member_no) => match find_account(cx, &member_no).await? {
                Some(account) if account.frozen => return Err(Problem::new(code::POINTS_FROZEN).at("/member_no")),
                Some(account) => {
                    let today = clock::local_date(cx.clock.now(), applied.program.time_zone());
                    Some(lots::sum_live(&cx.pool, account.member_id, today).await.map_err(unavailable)?)
                }
                None => {
                    ask_member(cx, MemberRequest { member_no }).await?;
                    Some(Points::ZERO)
                }
            },
        };
        let rules = &applied.program.redemption;
        let quote = decide_quote(rules, request.bill, active, wanted);
        Ok(QuoteReply {
            points: quote.points,
            offset: quote.offset,
            payable: quote.payable,
            most: quote.most,
            active,
            points_per_yuan: rules.points_per_yuan,
            step: rules.step,
            minimum: rules.minimum,
            max_share_percent: rules.max_share_percent,
            program_version: applied.version,
        })
    }
}
