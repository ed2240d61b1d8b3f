//! The end of a review: staff say which of the members that a document's keys point to earns it (DOMAIN, exact default 7).
//!
//! Only the document's row is locked: a registration that releases it at the same moment locks the same row, and whoever comes
//! second finds that it waits no longer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jifen_contracts::{
    Problem, code,
    endpoint::{Assign, AssignReply, AssignRequest},
};
use jifen_kernel::MemberId;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox, message::Cause};
use sqlx::PgConnection;

use super::release::{Opened, open, settle};
use crate::{
    domain::{
        customer::{Owner, Owners, all_keys},
        fate::DocumentKey,
        standing::Standing,
    },
    store::{customer_keys, documents},
};

/// `api.ingest.document.assign`
pub struct AssignDocument;

/// A document that has found its member, and what said so.
struct Assigned<'a> {
    document: Opened,
    owner: Owner,
    cause: &'a Cause,
}

impl Mutation for AssignDocument {
    type Endpoint = Assign;
    type Prepared = ();

    fn operation_id(request: &AssignRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<AssignRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<AssignRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<AssignReply, Problem>>, Failure> {
        let keys: Vec<DocumentKey> = batch.iter().map(|asked| key_of(&asked.request)).collect();
        // The database takes no NUL, and no document has one.
        let asked: BTreeSet<&DocumentKey> = keys.iter().filter(|key| !has_nul(key)).collect();
        let rows = documents::load_in_review(tx, &asked).await?;
        let mut waiting: BTreeMap<DocumentKey, Opened> =
            rows.into_iter().filter_map(|row| Some((row.key.clone(), open(cx, row, out)?))).collect();
        let owners = customer_keys::load_owners(tx, &all_keys(waiting.values().map(|document| &document.keys))).await?;
        let (mut answers, mut assigned) = (Vec::with_capacity(batch.len()), Vec::new());
        for (asked, key) in batch.iter().zip(&keys) {
            let chosen = waiting.get(key).map(|document| choose(document, &owners, &asked.request.member_no));
            answers.push(match chosen {
                None => Err(code::DOCUMENT_NOT_IN_REVIEW.into()),
                Some(None) => Err(Problem::new(code::DOCUMENT_NOT_THEIRS).at("/member_no")),
                Some(Some(owner)) => {
                    let member_id = owner.member_id;
                    assigned.extend(waiting.remove(key).map(|document| Assigned { document, owner, cause: &asked.cause }));
                    Ok(AssignReply { member_id })
                }
            });
        }
        accept(cx, tx, assigned, out).await?;
        Ok(answers)
    }
}

async fn accept(cx: &Ctx, tx: &mut PgConnection, assigned: Vec<Assigned<'_>>, out: &mut Outbox) -> Result<(), Failure> {
    if assigned.is_empty() {
        return Ok(());
    }
    let causes: HashMap<MemberId, &Cause> = assigned.iter().map(|one| (one.owner.member_id, one.cause)).collect();
    let decided: Vec<_> = assigned.iter().map(|one| (&one.document, Standing::Accepted(one.owner.clone()))).collect();
    settle(cx, tx, &decided, &causes, out).await
}

fn key_of(request: &AssignRequest) -> DocumentKey {
    DocumentKey { store: request.store.clone(), kind: request.kind.clone(), number: request.document.clone() }
}

fn has_nul(key: &DocumentKey) -> bool {
    [&key.store, &key.kind, &key.number].into_iter().any(|text| text.contains('\0'))
}

/// The member of this number, if one of the document's keys was theirs on its day.
fn choose(document: &Opened, owners: &Owners, member_no: &str) -> Option<Owner> {
    let of_keys = document.keys.iter().filter_map(|key| owners.get(key));
    let mut then = of_keys.filter(|owner| owner.owned_since.is_none_or(|since| since <= document.stamp.business_date));
    then.find(|owner| owner.member_no == member_no).cloned()
}
