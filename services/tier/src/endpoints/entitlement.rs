//! `api.tier.entitlement.use`, `api.tier.entitlement.undo`: counted under the lock of the member's standing, so that of two
//! copies one waits and reads what the other left.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use jifen_contracts::{
    Problem, code,
    endpoint::{EntitlementUndo, EntitlementUndoRequest, EntitlementUse, EntitlementUseReply, EntitlementUseRequest},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, StoreCode, clock};
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Named, name_members, named};
use crate::{
    domain::entitlement::{Entitlement, Refused, decide_use},
    outbound,
    store::{
        entitlement::{self, Use},
        standing::{self, Standings},
    },
};

type Answer = Result<EntitlementUseReply, Problem>;

/// Members under lock, with what they have.
struct Held {
    standings: Standings,
    entitlements: HashMap<MemberId, Vec<Entitlement>>,
    today: NaiveDate,
}

impl Held {
    async fn lock(cx: &Ctx, tx: &mut PgConnection, members: impl Iterator<Item = MemberId>, out: &Outbox) -> Result<Self, Failure> {
        let rules = cx.programs.in_force_at(out.now()).ok_or_else(|| Failure::transient("no program in force is known yet"))?;
        let mut members: Vec<Uuid> = members.map(|member| member.0).collect();
        members.sort_unstable();
        members.dedup();
        Ok(Self {
            standings: standing::lock(tx, &members).await?,
            entitlements: entitlement::load(tx, &members).await?,
            today: clock::local_date(out.now(), rules.program.time_zone()),
        })
    }

    async fn save(&self, tx: &mut PgConnection, uses: impl Iterator<Item = Uuid>) -> Result<(), Failure> {
        let all: HashMap<Uuid, &Entitlement> = self.entitlements.values().flatten().map(|held| (held.id, held)).collect();
        let changed: BTreeMap<Uuid, &Entitlement> = uses.filter_map(|id| Some((id, *all.get(&id)?))).collect();
        entitlement::save(tx, &changed).await
    }
}

fn reply(used: &Use, entitlement: &Entitlement) -> EntitlementUseReply {
    EntitlementUseReply {
        use_id: used.use_id,
        entitlement_id: entitlement.id,
        benefit: entitlement.kind.to_string(),
        left: entitlement.left(),
        valid_until: entitlement.valid_until,
    }
}

fn problem(refused: Refused) -> Problem {
    Problem::new(match refused {
        Refused::Unknown => code::TIER_ENTITLEMENT_UNKNOWN,
        Refused::Exhausted => code::TIER_ENTITLEMENT_EXHAUSTED,
        Refused::Expired => code::TIER_ENTITLEMENT_EXPIRED,
    })
    .at("/benefit")
}

fn store_named(rules: Option<&AppliedProgram>, store: &str) -> Result<StoreCode, Problem> {
    let known = rules.and_then(|rules| rules.program.store(store)).map(|store| store.code.clone());
    known.ok_or_else(|| Problem::new(code::TIER_UNKNOWN_STORE).at("/store"))
}

/// A store gives a countable benefit.
pub struct UseEntitlement;

impl Mutation for UseEntitlement {
    type Endpoint = EntitlementUse;
    type Prepared = BTreeMap<String, Result<Named, Problem>>;

    fn operation_id(request: &EntitlementUseRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<EntitlementUseRequest>]) -> Result<Self::Prepared, Failure> {
        name_members(cx, batch.iter().map(|asked| asked.request.member_no.as_str())).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<EntitlementUseRequest>],
        members: &Self::Prepared,
        out: &mut Outbox,
    ) -> Result<Vec<Answer>, Failure> {
        let rules = cx.programs.in_force_at(out.now());
        let who = |asked: &Asked<EntitlementUseRequest>| named(members, &asked.request.member_no);
        let mut held = Held::lock(cx, tx, batch.iter().filter_map(|asked| Some(who(asked).ok()?.member_id)), out).await?;
        let (mut answers, mut uses) = (Vec::with_capacity(batch.len()), Vec::new());
        for asked in batch {
            let request = &asked.request;
            let today = held.today;
            let used = (|| {
                let store = store_named(rules.as_deref(), &request.store)?;
                let member_id = who(asked)?.member_id;
                let of_member = held.entitlements.get_mut(&member_id).map_or(&mut [][..], Vec::as_mut_slice);
                let place = decide_use(of_member, &request.benefit, today).map_err(problem)?;
                let entitlement_id = of_member[place].id;
                let use_id = cx.ids.next(out.now());
                let document = request.document.clone().filter(|document| !document.contains('\0'));
                Ok((Use { use_id, entitlement_id, member_id, store, document, undone: false }, place))
            })();
            answers.push(used.map(|(used, place)| {
                let entitlement = &held.entitlements[&used.member_id][place];
                if let Some(standing) = held.standings.get(&used.member_id) {
                    out.event(&asked.cause, None, &outbound::used(standing, entitlement, &used, out.now()));
                }
                let answer = reply(&used, entitlement);
                uses.push(used);
                answer
            }));
        }
        if !uses.is_empty() {
            held.save(tx, uses.iter().map(|used| used.entitlement_id)).await?;
            entitlement::save_uses(tx, &uses, out.now()).await?;
        }
        Ok(answers)
    }
}

/// A store takes a use of its own back.
pub struct UndoUse;

impl Mutation for UndoUse {
    type Endpoint = EntitlementUndo;
    type Prepared = ();

    fn operation_id(request: &EntitlementUndoRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<EntitlementUndoRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<EntitlementUndoRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Answer>, Failure> {
        let ids: Vec<Uuid> = batch.iter().map(|asked| asked.request.use_id).collect();
        let members: Vec<MemberId> = entitlement::load_uses(tx, &ids).await?.into_values().map(|used| used.member_id).collect();
        let mut held = Held::lock(cx, tx, members.into_iter(), out).await?;
        // Read again under the lock: another copy may have taken one back.
        let mut uses = entitlement::load_uses(tx, &ids).await?;
        let (mut answers, mut undone) = (Vec::with_capacity(batch.len()), Vec::new());
        for asked in batch {
            let answer = undo(&mut uses, &mut held, &asked.request);
            answers.push(answer.map(|(used, entitlement)| {
                if let Some(standing) = held.standings.get(&used.member_id) {
                    out.event(&asked.cause, None, &outbound::used(standing, &entitlement, &used, out.now()));
                }
                undone.push((used.use_id, used.entitlement_id));
                reply(&used, &entitlement)
            }));
        }
        if !undone.is_empty() {
            held.save(tx, undone.iter().map(|(_, entitlement)| *entitlement)).await?;
            entitlement::undo_uses(tx, &undone.iter().map(|(used, _)| *used).collect::<Vec<_>>(), out.now()).await?;
        }
        Ok(answers)
    }
}

fn undo(uses: &mut HashMap<Uuid, Use>, held: &mut Held, request: &EntitlementUndoRequest) -> Result<(Use, Entitlement), Problem> {
    let unknown = || Problem::new(code::TIER_USE_UNKNOWN).at("/use_id");
    let used = uses.get_mut(&request.use_id).filter(|used| used.store.as_str() == request.store).ok_or_else(unknown)?;
    if used.undone {
        return Err(Problem::new(code::TIER_USE_UNDONE).at("/use_id"));
    }
    let today = held.today;
    let of_member = held.entitlements.get_mut(&used.member_id).ok_or_else(unknown)?;
    let entitlement = of_member.iter_mut().find(|entitlement| entitlement.id == used.entitlement_id).ok_or_else(unknown)?;
    // What is over was announced as it was: nothing comes back to it.
    if !entitlement.is_valid(today) {
        return Err(Problem::new(code::TIER_ENTITLEMENT_EXPIRED).at("/use_id"));
    }
    entitlement.used = entitlement.used.saturating_sub(1);
    used.undone = true;
    Ok((used.clone(), entitlement.clone()))
}
