//! `api.notification.message.opt_out`: staff, or the member through the group's app, ends messages of one purpose on one way.

use jifen_contracts::{
    Problem, code,
    endpoint::{ConsentChangeRequest, MessageOptOut, OptOutReply, OptOutRequest},
};
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;

use crate::handlers::consent::{change_consent, operation_of};

/// The purposes for which a consent exists.
const PURPOSES: [&str; 2] = ["service", "promotion"];

/// Ends messages. `member` is asked before BEGIN, by an operation of its own made of the caller's: asked again, it does nothing more.
#[derive(Debug)]
pub struct OptOut;

impl Mutation for OptOut {
    type Endpoint = MessageOptOut;
    type Prepared = Vec<(String, Result<OptOutReply, Problem>)>;

    fn operation_id(request: &OptOutRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<OptOutRequest>]) -> Result<Self::Prepared, Failure> {
        let mut answers = Vec::with_capacity(batch.len());
        for asked in batch {
            answers.push((asked.request.operation_id.clone(), end(cx, &asked.request).await));
        }
        Ok(answers)
    }

    async fn handle(
        &self,
        _: &Ctx,
        _: &mut PgConnection,
        batch: &[&Asked<OptOutRequest>],
        answers: &Self::Prepared,
        _: &mut Outbox,
    ) -> Result<Vec<Result<OptOutReply, Problem>>, Failure> {
        let answer = |asked: &&Asked<OptOutRequest>| {
            let of_operation = answers.iter().find(|(operation_id, _)| *operation_id == asked.request.operation_id);
            of_operation.map_or_else(|| Err(code::SERVICE_UNAVAILABLE.into()), |(_, answer)| answer.clone())
        };
        Ok(batch.iter().map(answer).collect())
    }
}

async fn end(cx: &Ctx, request: &OptOutRequest) -> Result<OptOutReply, Problem> {
    let purpose = request.purpose.clone().unwrap_or_else(|| "promotion".to_owned());
    if !PURPOSES.contains(&purpose.as_str()) {
        return Err(Problem::new(code::REQUEST_MALFORMED).detail("purpose is service or promotion").at("/purpose"));
    }
    let change = ConsentChangeRequest {
        operation_id: operation_of(cx, &format!("opt_out\n{}", request.operation_id)),
        member_id: None,
        member_no: Some(request.member_no.clone()),
        phone: None,
        channel: request.channel.as_str().to_owned(),
        purpose: purpose.clone(),
        granted: false,
    };
    change_consent(cx, change).await?;
    Ok(OptOutReply { member_no: request.member_no.clone(), channel: request.channel, purpose })
}
