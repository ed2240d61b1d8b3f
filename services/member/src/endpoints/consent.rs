//! `api.member.consent.change`.

use std::collections::BTreeMap;

use jifen_contracts::{
    Problem, code,
    endpoint::{ConsentChange, ConsentChangeReply, ConsentChangeRequest},
};
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use super::whom::{self, Named};
use crate::{
    domain::{Channel, Consent, Purpose},
    outbound,
    store::{consents, standings},
};

/// Grants and takes back consents. What a member says again changes nothing and is not announced.
pub struct ChangeConsent;

impl Mutation for ChangeConsent {
    type Endpoint = ConsentChange;
    type Prepared = ();

    fn operation_id(request: &ConsentChangeRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<ConsentChangeRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<ConsentChangeRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<ConsentChangeReply, Problem>>, Failure> {
        let read: Vec<Result<(Named, Consent), Problem>> = batch.iter().map(|asked| read(cx, &asked.request)).collect();
        let named: Vec<Option<&Named>> = read.iter().map(|read| read.as_ref().ok().map(|(named, _)| named)).collect();
        let found = whom::find(tx, &named).await?;
        let ids: Vec<Uuid> = found.iter().flatten().map(|member| member.0).collect();
        let mut members = standings::load_standings(tx, &ids).await?;
        let mut said = consents::load_consents(tx, &ids).await?;
        let (mut changed, mut counted) = (BTreeMap::new(), BTreeMap::new());
        let mut answers = Vec::with_capacity(batch.len());
        for (asked, (read, found)) in batch.iter().zip(read.into_iter().zip(found)) {
            let (named, consent) = match read {
                Ok(read) => read,
                Err(problem) => {
                    answers.push(Err(problem));
                    continue;
                }
            };
            let Some(member) = found.and_then(|member| members.get_mut(&member)) else {
                answers.push(Err(named.unknown()));
                continue;
            };
            let all = said.entry(member.member_id).or_default();
            let granted = asked.request.granted;
            if all.insert(consent, granted).unwrap_or(false) != granted {
                member.sequence += 1;
                counted.insert(member.member_id, ());
                out.event(&asked.cause, Some(member.sequence), &outbound::consent_changed(member, consent, granted, out.now()));
            }
            changed.insert((member.member_id, consent), granted);
            answers.push(Ok(ConsentChangeReply {
                member_id: member.member_id,
                member_no: member.member_no.to_string(),
                consents: all.iter().filter(|(_, granted)| **granted).map(|(consent, _)| consent.to_string()).collect(),
            }));
        }
        if !changed.is_empty() {
            consents::save_consents(tx, &changed, out.now()).await?;
        }
        let counted: Vec<_> = counted.keys().filter_map(|member| members.get(member)).collect();
        if !counted.is_empty() {
            standings::save_standings(tx, &counted).await?;
        }
        Ok(answers)
    }
}

fn read(cx: &Ctx, request: &ConsentChangeRequest) -> Result<(Named, Consent), Problem> {
    let named = match (request.member_id, request.member_no.as_deref(), request.phone.as_deref()) {
        (Some(member), None, None) => Named::Id(member),
        (None, number, phone) => Named::read(cx, number, phone)?,
        _ => {
            return Err(Problem::new(code::REQUEST_MALFORMED)
                .detail("exactly one of member_id, member_no and phone says whose")
                .at("/member_id"));
        }
    };
    let bad = |pointer| Problem::new(code::MEMBER_BAD_CONSENT).at(pointer);
    let channel = Channel::from_word(&request.channel).ok_or_else(|| bad("/channel"))?;
    let purpose = Purpose::from_word(&request.purpose).ok_or_else(|| bad("/purpose"))?;
    Ok((named, Consent { channel, purpose }))
}
