//! `gateway.v1.<channel>.receipt`: how far messages came.

use jifen_contracts::{notify::GatewayReceipt, strict};
use jifen_kernel::StoreCode;
use jifen_runtime::{
    BatchHandler, Ctx, Decode, Failure, Fates, Incoming, Outbox, Poison,
    message::{Cause, RawMessage},
    trace::TraceContext,
};
use serde::{Deserialize, de::IgnoredAny};
use sqlx::PgConnection;

use super::kept;
use crate::{
    domain::{
        delivery::{Step, decide_report},
        send::{Outcome, Send, drop_at},
    },
    outbound,
    store::{self, delivery::Sent, send::NewSend},
};

/// A gateway's receipt, with the channel of the subject that it came by.
#[derive(Debug)]
pub struct Reported {
    /// What it says.
    pub receipt: GatewayReceipt,
    /// Whose gateways may publish there.
    pub channel: String,
}

/// A structured receipt. A gateway's attributes are its own: none is required.
#[derive(Deserialize)]
struct Wrapped {
    #[serde(default)]
    traceparent: Option<String>,
    data: GatewayReceipt,
}

impl Decode for Reported {
    fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison> {
        #[derive(Deserialize)]
        struct Form {
            #[serde(default)]
            specversion: Option<IgnoredAny>,
        }
        // The parser's own text may quote a value; its place does not.
        let undecodable =
            |e: serde_json::Error| Poison::undecodable(format!("not a gateway receipt: line {} column {}", e.line(), e.column()));
        strict::object(&raw.payload).map_err(|why| Poison::undecodable(format!("not a gateway receipt: {why}")))?;
        let form: Form = serde_json::from_slice(&raw.payload).map_err(undecodable)?;
        let (mut receipt, traceparent) = if form.specversion.is_some() {
            let wrapped: Wrapped = serde_json::from_slice(&raw.payload).map_err(undecodable)?;
            (wrapped.data, wrapped.traceparent)
        } else {
            (serde_json::from_slice::<GatewayReceipt>(&raw.payload).map_err(undecodable)?, None)
        };
        // What is stored and compared has microseconds.
        receipt.at = chrono::SubsecRound::trunc_subsecs(receipt.at, 6);
        let channel = raw.subject.split('.').nth(2).unwrap_or_default().to_owned();
        let cause = Cause { id: None, correlation: None, trace: traceparent.as_deref().and_then(TraceContext::parse) };
        Ok((Self { receipt, channel }, cause))
    }
}

/// Records how far messages came, and announces the end of each once.
#[derive(Debug)]
pub struct Report;

impl BatchHandler for Report {
    type Item = Reported;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &[Incoming<Reported>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<Reported>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let ids = batch.iter().map(|incoming| incoming.item.receipt.notification_id).collect();
        let mut known = store::delivery::load_locked(tx, &ids).await?;
        let (mut fates, mut others) = (Fates::done(), Vec::new());
        for (place, incoming) in batch.iter().enumerate() {
            let Reported { receipt, channel } = &incoming.item;
            // A gateway speaks for its own channel; what it says about others' messages, or about none, is set aside.
            let Some(sent) = known.get_mut(&receipt.notification_id).filter(|sent| sent.channel == *channel) else {
                let reason = format!("no message {} was given to a gateway of {channel}", receipt.notification_id);
                fates.poison.push((place, Poison::invariant(reason)));
                continue;
            };
            let delivery = match decide_report(&sent.delivery, receipt) {
                Ok(Step::None) => continue,
                Ok(Step::Underway(delivery)) => delivery,
                Ok(Step::Delivered(delivery)) => {
                    outbound::delivered(out, &incoming.cause, sent, receipt);
                    sent.take_sealed();
                    delivery
                }
                Ok(Step::Failed(delivery)) => {
                    outbound::failed(out, &incoming.cause, receipt.notification_id, sent, &delivery, receipt.at);
                    others.extend(sent.take_sealed().and_then(|sealed| another_way(cx, sent, sealed, out)));
                    delivery
                }
                Ok(Step::Late) => {
                    sent.arrived_late();
                    continue;
                }
                Err(never) => {
                    fates.poison.push((place, Poison::invariant(never.to_string())));
                    continue;
                }
            };
            sent.moved_to(delivery);
        }
        store::delivery::save(tx, &known).await?;
        store::send::claim(tx, &others, out.now()).await?;
        Ok(fates)
    }
}

/// The next way of a message that didn't arrive: it waits at once, and the job that sends what waits asks for contact and
/// consent. None if there is no other way, or if it would come too late.
pub(crate) fn another_way(cx: &Ctx, sent: &Sent, sealed: Vec<u8>, out: &Outbox) -> Option<NewSend> {
    let applied = cx.programs.get(sent.program_version)?;
    let facts = kept::open(cx, sent.member_id, &sent.kind, &sent.business_key, &sealed)?;
    let template = applied.program.messages.template(facts.kind())?;
    let mut behind = template.order().iter().skip_while(|channel| channel.as_str() != sent.channel).skip(1);
    let (channel, drop_at) = (*behind.next()?, drop_at(&facts, &applied, template, out.now()));
    let send = Send {
        member_id: sent.member_id,
        kind: facts.kind(),
        business_key: sent.business_key.clone(),
        attempt: sent.attempt + 1,
        notification_id: cx.ids.next(out.now()),
        store: StoreCode::try_new(&sent.store).ok()?,
        program_version: sent.program_version,
        channel,
        outcome: Outcome::Waiting { due_at: out.now(), drop_at },
        keep: true,
    };
    (drop_at > out.now()).then_some(NewSend { send, sealed: Some(sealed) })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn decode(subject: &str, payload: &str) -> Result<(Reported, Cause), Poison> {
        Reported::decode(&RawMessage {
            subject: subject.to_owned(),
            payload: payload.to_owned().into(),
            stream_sequence: 1,
            stored_at: DateTime::UNIX_EPOCH,
            deliveries: 1,
        })
    }

    const BARE: &str = r#"{"notification_id":"01912d68-783e-7a03-8467-5661c1243ad4","status":"delivered","provider_id":"p","code":"OK","at":"2026-10-01T10:00:00.123456789+08:00"}"#;

    #[test]
    fn a_receipt_may_be_bare_or_structured() {
        let (bare, cause) = decode("gateway.v1.sms.receipt", BARE).expect("bare");
        assert_eq!((bare.channel.as_str(), bare.receipt.at.to_rfc3339().as_str()), ("sms", "2026-10-01T02:00:00.123456+00:00"));
        assert!(cause.trace.is_none());
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let structured = format!(r#"{{"specversion":"1.0","id":"17","traceparent":"{traceparent}","data":{BARE}}}"#);
        let (wrapped, cause) = decode("gateway.v1.sms.receipt", &structured).expect("structured");
        assert_eq!(wrapped.receipt, bare.receipt);
        assert_eq!(cause.trace.map(|trace| trace.to_string()).as_deref(), Some(traceparent));
    }

    #[test]
    fn what_is_no_receipt_is_poison_without_its_content() {
        for payload in
            ["", "[]", "13800138000", r#"{"status":"delivered"}"#, r#"{"specversion":"1.0"}"#, &BARE.replace("delivered", "13800138000")]
        {
            let poison = decode("gateway.v1.sms.receipt", payload).expect_err(payload);
            assert!(!poison.to_string().contains("138"), "{poison}");
        }
    }
}
