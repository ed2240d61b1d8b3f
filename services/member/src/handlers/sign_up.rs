//! `pos.v1.*.sign_up`: customers whom stores sign up.
//!
//! A sign-up goes the way of the endpoint's registration. Its claim is written with it; a message that brings nothing new is
//! recorded by its place, so that its redelivery says nothing again. What is refused is told to the store and kept whole and
//! sealed with the dead letters: retried, it is read anew.

use std::collections::{BTreeMap, HashSet};

use chrono::{Duration, Utc};
use jifen_contracts::{
    code,
    document::{Fault, SignUp},
    endpoint::{RegisterRequest, VehicleInput},
    receipt::ReceiptStatus,
};
use jifen_kernel::clock::local_date;
use jifen_runtime::{
    BatchHandler, Ctx, Decode, Failure, Fates, Incoming, Outbox, Poison,
    crypto::{canonical, sha256},
    message::{Cause, RawMessage},
    trace::TraceContext,
};
use sqlx::PgConnection;

use super::{
    Rules,
    registration::{self, Application, Outcome},
};
use crate::{
    domain::{
        Deadline, Decision, read_applicant,
        sign_up::{Arrival, Fate, Identity, Number, Received, decide_fates},
    },
    outbound,
    store::documents::{self, Claim},
};

/// Further ahead than this no clock of a store is off.
const AHEAD_HOURS: i64 = 24;

/// A message of a store. Reading it never fails: being unreadable is an outcome, with a receipt.
#[derive(Debug)]
pub struct RawSignUp {
    received: Received,
    sha256: [u8; 32],
}

impl Decode for RawSignUp {
    fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison> {
        let received = Received::read(&raw.subject, &raw.payload);
        let cause = Cause {
            id: received.event_id.clone(),
            correlation: received.event_id.clone(),
            trace: received.traceparent.as_deref().and_then(TraceContext::parse),
        };
        Ok((Self { received, sha256: sha256(&raw.payload) }, cause))
    }
}

/// Signs customers up.
#[derive(Debug)]
pub struct SignUps;

type Batch = [Incoming<RawSignUp>];

impl BatchHandler for SignUps {
    type Item = RawSignUp;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let Some(rules) = Rules::of(cx, out.now()) else {
            let retry = (0..batch.len()).map(|place| (place, "the program is not known yet".to_owned())).collect();
            return Ok(Fates { retry, ..Fates::default() });
        };
        // Whoever came first in the stream was first, in whatever order the batch was handed out.
        let mut places: Vec<usize> = (0..batch.len()).collect();
        places.sort_by_key(|place| arrival(&batch[*place]));
        let judge = |place: &usize| Ok((verdict(cx, &rules, &batch[*place])?, arrival(&batch[*place])));
        let messages: Vec<_> = places.iter().map(judge).collect::<Result<_, Failure>>()?;
        let arrivals: Vec<Arrival> = messages.iter().map(|(_, arrival)| *arrival).collect();
        let settled = documents::load_settled(tx, &arrivals).await?;
        let numbers: Vec<&Number> =
            messages.iter().filter_map(|(verdict, _)| verdict.as_ref().ok()).map(|identity| &identity.number).collect();
        let holders = documents::load_holders(tx, &numbers).await?;
        let mut decided = decide_fates(&messages, &holders, &settled);
        let outcomes = register(cx, tx, &rules, batch, &places, &decided, out).await?;
        let mut fates = Fates::done();
        let claims = settle(batch, &places, &messages, &mut decided, &outcomes, &mut fates);
        if documents::claim_sign_ups(tx, &claims).await? < u64::try_from(claims.len()).unwrap_or(0) {
            return Err(Failure::transient("another copy has claimed a sign-up of this batch"));
        }
        tell(tx, batch, &places, &decided, &mut fates, out).await?;
        Ok(fates)
    }
}

fn arrival(incoming: &Incoming<RawSignUp>) -> Arrival {
    Arrival::new(incoming.raw.stream_sequence, incoming.raw.stored_at)
}

/// What can be said of a sign-up on its own.
fn verdict(cx: &Ctx, rules: &Rules, incoming: &Incoming<RawSignUp>) -> Result<Result<Identity, Fault>, Failure> {
    let sign_up = match &incoming.item.received.content {
        Ok(sign_up) => sign_up,
        Err(fault) => return Ok(Err(fault.clone())),
    };
    // The same instant is the same content, whatever its offset.
    let compared = SignUp { at: sign_up.at.to_utc().fixed_offset(), ..sign_up.clone() };
    let content_hash = cx.seal.hash(&canonical(&compared).map_err(Failure::defect)?);
    if sign_up.at.to_utc() > rules.now + Duration::hours(AHEAD_HOURS) {
        return Ok(Err(Fault::at(code::DOCUMENT_FUTURE_DATE, "/at")));
    }
    let number = Number { store: sign_up.store.to_string(), number: sign_up.sign_up_no.clone() };
    Ok(Ok(Identity { number, content_hash }))
}

/// Registers those that are new; one outcome for each message that is.
async fn register(
    cx: &Ctx,
    tx: &mut PgConnection,
    rules: &Rules,
    batch: &Batch,
    places: &[usize],
    decided: &[Fate],
    out: &mut Outbox,
) -> Result<Vec<Option<Outcome>>, Failure> {
    let new: Vec<(&Incoming<RawSignUp>, &SignUp)> = places
        .iter()
        .zip(decided)
        .filter(|(_, fate)| **fate == Fate::New)
        .filter_map(|(place, _)| Some((&batch[*place], batch[*place].item.received.content.as_ref().ok()?)))
        .collect();
    if new.is_empty() {
        return Ok(decided.iter().map(|_| None).collect());
    }
    let zone = rules.program().time_zone();
    let applications = new.iter().map(|(incoming, sign_up)| {
        // A car that is signed up has been the customer's since then, however late the store sends it.
        let day = local_date(sign_up.at.with_timezone(&Utc), zone);
        let applicant = read_applicant(&request(sign_up), rules.program(), day).map(|mut applicant| {
            applicant.deadline = applicant.deadline.map(|_| Deadline::after(rules.today, &rules.program().membership));
            applicant
        });
        Application { cause: &incoming.cause, applicant }
    });
    let mut outcomes = registration::register(cx, tx, rules, applications.collect(), out).await?.into_iter();
    Ok(decided.iter().map(|fate| if *fate == Fate::New { outcomes.next() } else { None }).collect())
}

/// A sign-up in the words of the endpoint.
fn request(sign_up: &SignUp) -> RegisterRequest {
    let (vin, plate) = (sign_up.vin.as_ref(), sign_up.plate.as_ref());
    let vehicle = VehicleInput {
        vin: vin.map(|vin| vin.expose().to_owned()),
        plate: plate.map(|plate| plate.expose().to_owned()),
        owned_since: None,
        series: sign_up.series.clone(),
        new_on: None,
    };
    RegisterRequest {
        operation_id: String::new(),
        store: sign_up.store.to_string(),
        name: sign_up.name.expose().to_owned(),
        phone: sign_up.phone.expose().to_owned(),
        birthday: sign_up.birthday,
        consents: sign_up.consents.clone(),
        vehicles: if vin.is_some() || plate.is_some() { vec![vehicle] } else { Vec::new() },
        store_confirmed: sign_up.store_confirmed,
        wechat_openid: None,
        language: None,
    }
}

/// The claims of those that registered, or found, a member; the others are refused with the registration's reason. A number
/// that was refused is free: whoever else asked for it in this batch comes again.
fn settle<'a>(
    batch: &'a Batch,
    places: &[usize],
    messages: &'a [(Result<Identity, Fault>, Arrival)],
    decided: &mut [Fate],
    outcomes: &[Option<Outcome>],
    fates: &mut Fates,
) -> Vec<Claim<'a>> {
    let (mut claims, mut refused) = (Vec::new(), HashSet::new());
    for (index, place) in places.iter().enumerate() {
        let (Ok(identity), arrival) = &messages[index] else { continue };
        let content = batch[*place].item.received.content.as_ref().ok();
        match &outcomes[index] {
            Some(outcome) => {
                let (member_id, existing) = match &outcome.decision {
                    Decision::Registered(_) => (outcome.member_id, false),
                    Decision::Revived(owner) => (owner.member_id, false),
                    Decision::Existing(owner) => (owner.member_id, true),
                    Decision::Rejected(why) => {
                        decided[index] = Fate::Rejected(outbound::fault(why));
                        refused.insert(&identity.number);
                        continue;
                    }
                };
                let referral_code = content.and_then(|sign_up| sign_up.referral_code.as_deref());
                claims.push(Claim { identity, arrival: *arrival, member_id, existing, referral_code });
            }
            None if refused.contains(&identity.number) => {
                fates.retry.push((*place, "another sign-up of this number was refused in the same batch".to_owned()));
                decided[index] = Fate::Redelivered;
            }
            None => {}
        }
    }
    claims.sort_by(|a, b| a.identity.number.cmp(&b.identity.number));
    claims
}

/// Records the messages that brought nothing new, and sends every receipt.
async fn tell(
    tx: &mut PgConnection,
    batch: &Batch,
    places: &[usize],
    decided: &[Fate],
    fates: &mut Fates,
    out: &mut Outbox,
) -> Result<(), Failure> {
    let mut recorded: BTreeMap<Arrival, &'static str> = BTreeMap::new();
    for (place, fate) in places.iter().zip(decided) {
        let incoming = &batch[*place];
        let (status, code, pointer) = match fate {
            Fate::Redelivered => continue,
            Fate::New => (ReceiptStatus::Accepted, code::DOCUMENT_ACCEPTED, None),
            Fate::Duplicate => {
                recorded.insert(arrival(incoming), "duplicate");
                (ReceiptStatus::Duplicate, code::DOCUMENT_DUPLICATE, None)
            }
            Fate::Rejected(fault) => {
                recorded.insert(arrival(incoming), "rejected");
                fates.poison.push((*place, Poison { code: fault.code, reason: fault.detail.clone() }));
                (ReceiptStatus::Rejected, fault.code, fault.pointer.as_deref())
            }
        };
        outbound::send_receipt(out, &incoming.cause, &incoming.item.received, &incoming.item.sha256, status, code, pointer);
    }
    if !recorded.is_empty() && documents::save_settled(tx, &recorded).await? < u64::try_from(recorded.len()).unwrap_or(0) {
        return Err(Failure::transient("another copy has treated a sign-up of this batch"));
    }
    Ok(())
}
