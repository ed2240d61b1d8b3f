//! `api.member.member.activate`.

use std::collections::BTreeMap;

use jifen_contracts::{
    Problem,
    endpoint::{ActivateReply, ActivateRequest, MemberActivate},
};
use jifen_kernel::MemberId;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    no_program,
    whom::{self, Named},
};
use crate::{
    domain::decide_activate,
    handlers::{Rules, code_issue},
    outbound,
    store::{codes, standings},
};

/// Activates registrations with the codes sent to their phones. A wrong attempt is an answer: it is counted with it.
pub struct ActivateMember;

impl Mutation for ActivateMember {
    type Endpoint = MemberActivate;
    type Prepared = ();

    fn operation_id(request: &ActivateRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<ActivateRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<ActivateRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<ActivateReply, Problem>>, Failure> {
        let Some(rules) = Rules::of(cx, out.now()) else { return Ok(batch.iter().map(|_| Err(no_program())).collect()) };
        let read = |asked: &&Asked<ActivateRequest>| Named::read(cx, asked.request.member_no.as_deref(), asked.request.phone.as_deref());
        let named: Vec<Result<Named, Problem>> = batch.iter().map(read).collect();
        let found = whom::find(tx, &named.iter().map(|named| named.as_ref().ok()).collect::<Vec<_>>()).await?;
        let ids: Vec<Uuid> = found.iter().flatten().map(|member| member.0).collect();
        let mut members = standings::load_standings(tx, &ids).await?;
        let mut kept = codes::load_codes(tx, &ids).await?;
        let (mut activated, mut tried) = (Vec::new(), BTreeMap::new());
        let mut answers = Vec::with_capacity(batch.len());
        for (asked, (named, found)) in batch.iter().zip(named.into_iter().zip(found)) {
            let named = match named {
                Ok(named) => named,
                Err(problem) => {
                    answers.push(Err(problem));
                    continue;
                }
            };
            let Some(member) = found.and_then(|member| members.get_mut(&member)) else {
                answers.push(Err(named.unknown()));
                continue;
            };
            let code = kept.get_mut(&member.member_id);
            let matches = code.as_ref().is_some_and(|code| code_issue::matches(cx, member.member_id, code, &asked.request.code));
            let sent = code.map(|code| &mut code.sent);
            let decided = decide_activate(member.status, member.lapses_on, sent, matches, rules.now, rules.today);
            if let Some(code) = kept.get(&member.member_id) {
                tried.insert(member.member_id, code.sent);
            }
            answers.push(match decided {
                Ok(()) => {
                    member.activate();
                    member.sequence += 1;
                    activated.push(member.member_id);
                    out.event(&asked.cause, Some(member.sequence), &outbound::activated(member, rules.now));
                    Ok(ActivateReply { member_id: member.member_id, member_no: member.member_no.to_string(), status: member.status })
                }
                Err(why) => Err(outbound::not_activated(why)),
            });
        }
        if !tried.is_empty() {
            codes::save_attempts(tx, &tried.into_iter().collect::<Vec<_>>(), rules.now).await?;
        }
        let activated: Vec<_> = activated.iter().filter_map(|member: &MemberId| members.get(member)).collect();
        if !activated.is_empty() {
            standings::save_standings(tx, &activated).await?;
        }
        Ok(answers)
    }
}
