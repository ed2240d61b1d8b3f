//! `api.member.code.send`.

use jifen_contracts::{
    Problem, code,
    endpoint::{CodeSend, CodeSendReply, CodeSendRequest},
};
use jifen_kernel::StoreCode;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    no_program,
    whom::{self, Named},
};
use crate::{
    domain::{Standing, may_activate},
    handlers::{
        Rules,
        code_issue::{self, Wish},
    },
    outbound,
    store::{identities, standings},
};

/// Sends codes again.
pub struct SendCode;

impl Mutation for SendCode {
    type Endpoint = CodeSend;
    type Prepared = ();

    fn operation_id(request: &CodeSendRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<CodeSendRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<CodeSendRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<CodeSendReply, Problem>>, Failure> {
        let Some(rules) = Rules::of(cx, out.now()) else { return Ok(batch.iter().map(|_| Err(no_program())).collect()) };
        let read = |asked: &&Asked<CodeSendRequest>| Named::read(cx, asked.request.member_no.as_deref(), asked.request.phone.as_deref());
        let named: Vec<Result<Named, Problem>> = batch.iter().map(read).collect();
        let found = whom::find(tx, &named.iter().map(|named| named.as_ref().ok()).collect::<Vec<_>>()).await?;
        let ids: Vec<Uuid> = found.iter().flatten().map(|member| member.0).collect();
        let members = standings::load_standings(tx, &ids).await?;
        // The phone of now, under the lock: a later change waits, and makes the code void.
        let phones = identities::load_phones(tx, &ids).await?;
        let mut answers = Vec::with_capacity(batch.len());
        let (mut places, mut wishes) = (Vec::new(), Vec::new());
        for (place, (asked, (named, found))) in batch.iter().zip(named.into_iter().zip(found)).enumerate() {
            let standing = named.and_then(|named| found.and_then(|member| members.get(&member)).ok_or_else(|| named.unknown()));
            let wish = standing.and_then(|standing| {
                may_activate(standing.status, standing.lapses_on, rules.today).map_err(outbound::not_activated)?;
                let phone = phones.get(&standing.member_id).cloned().ok_or(code::SERVICE_INTERNAL)?;
                let (member_id, member_no) = (standing.member_id, standing.member_no.to_string());
                let store = store_of(&rules, asked.request.store.as_deref(), standing)?;
                Ok((Wish { cause: &asked.cause, member_id, member_no: member_no.clone(), store, phone }, member_id, member_no))
            });
            answers.push(wish.map(|(wish, member_id, member_no)| {
                places.push(place);
                wishes.push(wish);
                CodeSendReply { member_id, member_no, not_after: rules.now }
            }));
        }
        let issued = code_issue::issue(cx, tx, &rules, &wishes, out).await?;
        for (place, issued) in places.into_iter().zip(issued) {
            match issued {
                Ok(not_after) => {
                    if let Ok(answer) = &mut answers[place] {
                        answer.not_after = not_after;
                    }
                }
                Err(wait_s) => answers[place] = Err(Problem::new(code::MEMBER_CODE_RATE_LIMITED).retry_after(wait_s)),
            }
        }
        Ok(answers)
    }
}

/// The store whose codes are counted.
fn store_of(rules: &Rules, asked: Option<&str>, standing: &Standing) -> Result<StoreCode, Problem> {
    let Some(asked) = asked else { return Ok(standing.store.clone()) };
    let store = rules.program().store(asked).map(|store| store.code.clone());
    store.ok_or_else(|| Problem::new(code::MEMBER_UNKNOWN_STORE).at("/store"))
}
