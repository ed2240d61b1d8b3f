//! `api.member.member.update`.

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::{
    Problem,
    endpoint::{MemberUpdate, MemberUpdateReply, MemberUpdateRequest},
};
use jifen_kernel::MemberId;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox, message::Cause};
use sqlx::PgConnection;

use super::{
    no_program,
    whom::{self, Named},
};
use crate::{
    domain::{Change, Profile, Wanted, decide_change, read_change},
    handlers::{
        Rules,
        registration::{claims_of, give_keys, load_known},
        whole::{self, Edit},
    },
    keys, outbound,
};

/// Changes members.
pub struct UpdateMember;

impl Mutation for UpdateMember {
    type Endpoint = MemberUpdate;
    type Prepared = ();

    fn operation_id(request: &MemberUpdateRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<MemberUpdateRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<MemberUpdateRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<MemberUpdateReply, Problem>>, Failure> {
        let Some(rules) = Rules::of(cx, out.now()) else { return Ok(batch.iter().map(|_| Err(no_program())).collect()) };
        let read: Vec<Result<(Named, Change, Wanted), Problem>> = batch.iter().map(|asked| read(cx, &rules, &asked.request)).collect();
        let named: Vec<Option<&Named>> = read.iter().map(|read| read.as_ref().ok().map(|(named, ..)| named)).collect();
        let found = whom::find(tx, &named).await?;
        let wanted = read.iter().zip(&found).filter_map(|(read, found)| Some((read.as_ref().ok()?, (*found)?)));
        let claims = claims_of(wanted.flat_map(|((.., wanted), member)| wanted.iter().map(move |key| (key, member))));
        let (mut known, free) = load_known(tx, &claims).await?;
        let loaded = whole::load(cx, tx, &found.iter().flatten().copied().collect::<BTreeSet<_>>()).await?;
        let mut profiles: BTreeMap<MemberId, Profile> = loaded.iter().map(|(member, loaded)| (*member, loaded.profile.clone())).collect();
        let mut causes: BTreeMap<MemberId, &Cause> = BTreeMap::new();
        let mut answers = Vec::with_capacity(batch.len());
        for (asked, (read, found)) in batch.iter().zip(read.iter().zip(found)) {
            let answer = read.as_ref().map_err(Clone::clone).and_then(|(named, change, wanted)| {
                let profile = found.and_then(|member| profiles.get_mut(&member)).ok_or_else(|| named.unknown())?;
                let before = profile.clone();
                decide_change(profile, change, wanted, &mut known, rules.today).map_err(|(why, list)| outbound::problem(&why, list))?;
                causes.insert(profile.standing.member_id, &asked.cause);
                Ok(MemberUpdateReply {
                    member_id: profile.standing.member_id,
                    member_no: profile.standing.member_no.to_string(),
                    changed: *profile != before,
                    birthday_from_year: profile.standing.birthday_from_year,
                    vehicles: u32::try_from(profile.vehicles.len()).unwrap_or(u32::MAX),
                })
            });
            answers.push(answer);
        }
        give_keys(tx, &claims, &free, &known).await?;
        let mut edits = Vec::with_capacity(causes.len());
        for (member, cause) in causes {
            if let (Some(before), Some(after)) = (loaded.get(&member), profiles.remove(&member)) {
                edits.push(Edit { before, after, cause });
            }
        }
        whole::save(cx, tx, &rules, &mut edits, out).await?;
        Ok(answers)
    }
}

fn read(cx: &Ctx, rules: &Rules, request: &MemberUpdateRequest) -> Result<(Named, Change, Wanted), Problem> {
    let named = Named::number(&request.member_no)?;
    let change = read_change(request, rules.today).map_err(|(why, list)| outbound::problem(&why, list))?;
    let wanted = keys::of_change(&cx.lookup, &change);
    Ok((named, change, wanted))
}
