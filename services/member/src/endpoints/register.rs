//! `api.member.member.register`.

use jifen_contracts::{
    Problem,
    endpoint::{Register, RegisterReply, RegisterRequest},
};
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;

use super::no_program;
use crate::{
    domain::read_applicant,
    handlers::{
        Rules,
        registration::{self, Application},
    },
    outbound,
};

/// Registers customers.
pub struct RegisterMembers;

impl Mutation for RegisterMembers {
    type Endpoint = Register;
    type Prepared = ();

    fn operation_id(request: &RegisterRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<RegisterRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<RegisterRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<RegisterReply, Problem>>, Failure> {
        let Some(rules) = Rules::of(cx, out.now()) else { return Ok(batch.iter().map(|_| Err(no_program())).collect()) };
        let applications = batch
            .iter()
            .map(|asked| Application { cause: &asked.cause, applicant: read_applicant(&asked.request, rules.program(), rules.today) });
        let outcomes = registration::register(cx, tx, &rules, applications.collect(), out).await?;
        Ok(outcomes.into_iter().map(outbound::registration).collect())
    }
}
