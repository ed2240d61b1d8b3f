//! `gateway.v1.<channel>.reply`: what members answered. Words that end advertising take the consent back, at `member`.
//!
//! Nothing is written here: `member` remembers the operation, whose id is made of the reply itself. So whatever comes again asks
//! again, and has no second effect.

use jifen_contracts::{Problem, code, endpoint::ConsentChangeRequest, notify::GatewayReply, strict};
use jifen_runtime::{
    BatchHandler, Ctx, Decode, Failure, Fates, Incoming, Outbox, Poison,
    message::{Cause, RawMessage},
    trace::TraceContext,
};
use serde::{Deserialize, de::IgnoredAny};
use sqlx::PgConnection;

use super::consent::{change_consent, operation_of};
use crate::domain::reply::is_opt_out;

/// What `member` answers where a number is nobody's, or none at all: who answers need not be a customer.
const NOBODY: [code::Code; 2] = [code::MEMBER_UNKNOWN, code::MEMBER_BAD_PHONE];

/// A member's words, with the channel of the subject that they came by.
#[derive(Debug)]
pub struct Replied {
    /// What was said, by whom.
    pub reply: GatewayReply,
    /// Whose gateways may publish there.
    pub channel: String,
}

/// A structured reply. A gateway's attributes are its own: none is required.
#[derive(Deserialize)]
struct Wrapped {
    #[serde(default)]
    traceparent: Option<String>,
    data: GatewayReply,
}

impl Decode for Replied {
    fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison> {
        #[derive(Deserialize)]
        struct Form {
            #[serde(default)]
            specversion: Option<IgnoredAny>,
        }
        // The parser's own text may quote a value; its place does not.
        let undecodable =
            |e: serde_json::Error| Poison::undecodable(format!("not a gateway reply: line {} column {}", e.line(), e.column()));
        strict::object(&raw.payload).map_err(|why| Poison::undecodable(format!("not a gateway reply: {why}")))?;
        let form: Form = serde_json::from_slice(&raw.payload).map_err(undecodable)?;
        let (reply, traceparent) = if form.specversion.is_some() {
            let wrapped: Wrapped = serde_json::from_slice(&raw.payload).map_err(undecodable)?;
            (wrapped.data, wrapped.traceparent)
        } else {
            (serde_json::from_slice(&raw.payload).map_err(undecodable)?, None)
        };
        let channel = raw.subject.split('.').nth(2).unwrap_or_default().to_owned();
        let cause = Cause { id: None, correlation: None, trace: traceparent.as_deref().and_then(TraceContext::parse) };
        Ok((Self { reply, channel }, cause))
    }
}

/// Ends advertising for who wants no more of it.
#[derive(Debug)]
pub struct Reply;

impl BatchHandler for Reply {
    type Item = Replied;
    /// What `member` answered to each, by place.
    type Prepared = Vec<Option<Result<(), Problem>>>;

    async fn prepare(&self, cx: &Ctx, batch: &[Incoming<Replied>]) -> Result<Self::Prepared, Failure> {
        let Some(program) = cx.programs.newest() else { return Err(Failure::transient("no program is known yet")) };
        let mut answers = Vec::with_capacity(batch.len());
        for incoming in batch {
            let Replied { reply, channel } = &incoming.item;
            if !is_opt_out(&reply.text, &program.program.messages.limits) {
                answers.push(None);
                continue;
            }
            let answer = change_consent(cx, opt_out_of(cx, reply, channel)).await;
            // `member` that is away is asked again; one that knows nobody of this number has nothing to end.
            if let Err(problem) = &answer
                && problem.is_transient()
            {
                return Err(Failure::transient(problem));
            }
            answers.push(Some(answer));
        }
        Ok(answers)
    }

    async fn handle(
        &self,
        cx: &Ctx,
        _: &mut PgConnection,
        batch: &[Incoming<Replied>],
        answers: &Self::Prepared,
        _: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let mut fates = Fates::done();
        for (place, (incoming, answer)) in batch.iter().zip(answers).enumerate() {
            let word = match answer {
                None => "other_words",
                Some(Ok(())) => "opted_out",
                Some(Err(problem)) if NOBODY.iter().any(|code| code.code == problem.code) => "unknown_number",
                Some(Err(problem)) => {
                    fates.poison.push((place, Poison::invariant(format!("member refused the opt-out: {}", problem.code))));
                    continue;
                }
            };
            cx.count("replies", &format!("{}/{word}", incoming.item.channel), 1);
        }
        Ok(fates)
    }
}

/// The operation's id holds no personal value, and is the same whenever this reply comes.
fn opt_out_of(cx: &Ctx, reply: &GatewayReply, channel: &str) -> ConsentChangeRequest {
    let said = format!("{channel}\n{}\n{}\n{}", reply.from, reply.text, reply.at.timestamp_micros());
    ConsentChangeRequest {
        operation_id: operation_of(cx, &said),
        member_id: None,
        member_no: None,
        phone: Some(reply.from.clone()),
        channel: channel.to_owned(),
        purpose: "promotion".to_owned(),
        granted: false,
    }
}
