//! What can be asked about documents, and how a refused one is handed in again.

use std::collections::{BTreeSet, HashMap, HashSet};

use jifen_contracts::{
    Problem, code,
    endpoint::{
        CountsReply, DayCompare, DayRequest, DocumentReply, DocumentRequest, DocumentStatus, Empty, IngestCounts, RejectsList,
        RejectsReply, RejectsRequest, Resubmit, ResubmitReply, ResubmitRequest,
    },
    event::DayCompared,
    receipt::ReceiptStatus,
};
use jifen_kernel::StoreCode;
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox, Query, crypto::sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::{fate::DocumentKey, received::Received},
    handlers::{
        days::compare_days,
        documents::cause_of,
        intake::{Hashes, Submission, Told, take_in},
        knows_the_rules,
    },
    store::{
        documents, figures,
        rejects::{self, KeptReject, Page},
    },
};

/// Rejected documents of a page, if the caller doesn't say.
const PAGE: u32 = 100;
/// At most.
const PAGE_MAX: u32 = 500;

fn unavailable(failure: Failure) -> Problem {
    tracing::error!(error = %failure, "a read failed");
    Problem::new(code::SERVICE_UNAVAILABLE)
}

/// The database takes no such text, and no document has it.
fn has_nul(texts: &[&str]) -> bool {
    texts.iter().any(|text| text.contains('\0'))
}

/// `api.ingest.document.status`
pub struct Status;

impl Query for Status {
    type Endpoint = DocumentStatus;

    async fn answer(&self, cx: &Ctx, request: DocumentRequest) -> Result<DocumentReply, Problem> {
        let key = DocumentKey { store: request.store, kind: request.kind, number: request.document };
        if has_nul(&[&key.store, &key.kind, &key.number]) {
            return Err(code::DOCUMENT_NOT_FOUND.into());
        }
        let found = documents::find(&cx.pool, &key).await.map_err(unavailable)?.ok_or(code::DOCUMENT_NOT_FOUND)?;
        Ok(DocumentReply {
            // The rules it was only checked with while it waits are nobody's business yet.
            program_version: found.accepted_at.and_then(|_| u32::try_from(found.program_version).ok()),
            status: found.status,
            code: found.code,
            received_at: found.received_at,
            accepted_at: found.accepted_at,
            member_id: found.member_id,
            voided_by: found.voided_by,
        })
    }
}

/// `api.ingest.day.compare`
pub struct CompareDay;

impl Query for CompareDay {
    type Endpoint = DayCompare;

    async fn answer(&self, cx: &Ctx, request: DayRequest) -> Result<DayCompared, Problem> {
        let day = (request.store, request.day);
        if StoreCode::try_new(day.0.as_str()).is_err() {
            return Err(Problem::new(code::DOCUMENT_UNKNOWN_STORE).at("/store"));
        }
        let mut connection = cx.pool.acquire().await.map_err(|error| unavailable(error.into()))?;
        let mut compared = compare_days(cx, &mut connection, &BTreeSet::from([day.clone()])).await.map_err(unavailable)?;
        compared.remove(&day).ok_or_else(|| code::DOCUMENT_UNKNOWN_STORE.into())
    }
}

/// `api.ingest.reject.list`
pub struct Rejects;

impl Query for Rejects {
    type Endpoint = RejectsList;

    async fn answer(&self, cx: &Ctx, request: RejectsRequest) -> Result<RejectsReply, Problem> {
        let (store, code) = (request.store.as_deref(), request.code.as_deref());
        let (kind, document) = (request.kind.as_deref(), request.document.as_deref());
        if has_nul(&[store, code, kind, document].map(Option::unwrap_or_default)) {
            return Ok(RejectsReply { rejects: Vec::new(), total: 0 });
        }
        let limit = i64::from(request.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX));
        let page = Page { store, code, kind, document, before: request.before, limit };
        let rejects = rejects::list(&cx.pool, &page).await.map_err(unavailable)?;
        let total = rejects::count(&cx.pool, &page).await.map_err(unavailable)?;
        Ok(RejectsReply { rejects, total })
    }
}

/// `api.ingest.document.counts`
pub struct Counts;

impl Query for Counts {
    type Endpoint = IngestCounts;

    async fn answer(&self, cx: &Ctx, _: Empty) -> Result<CountsReply, Problem> {
        Ok(CountsReply { counts: figures::count_by_fate(&cx.pool).await.map_err(unavailable)? })
    }
}

/// `api.ingest.reject.resubmit`: the way of a document again, with the bytes as they were received.
pub struct ResubmitReject;

impl Mutation for ResubmitReject {
    type Endpoint = Resubmit;
    type Prepared = ();

    fn operation_id(request: &ResubmitRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _: &Ctx, _: &[Asked<ResubmitRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<ResubmitRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<ResubmitReply, Problem>>, Failure> {
        if !knows_the_rules(cx) {
            return Ok(batch.iter().map(|_| Err(Problem::new(code::SERVICE_UNAVAILABLE).detail("the program is not known yet"))).collect());
        }
        let ids: Vec<Uuid> = batch.iter().map(|asked| asked.request.reject_id).collect();
        let kept = rejects::load(cx, tx, &ids).await?;
        let mut due: Vec<&KeptReject> = kept.values().filter(|reject| !reject.resubmitted).collect();
        // As in the stream, and the id for those that came at the same place of different streams.
        due.sort_unstable_by_key(|reject| (reject.arrival, reject.reject_id));
        let told = hand_in(cx, tx, &due, out).await?;
        let settled: Vec<Uuid> = told.iter().filter(|(_, told)| !told.is_refused()).map(|(id, _)| *id).collect();
        let mut marked: HashSet<Uuid> = rejects::mark_resubmitted(tx, &settled, out.now()).await?.into_iter().collect();
        let answer = |id: Uuid| match (kept.get(&id), told.get(&id)) {
            (None, _) => Err(code::DOCUMENT_NOT_FOUND.into()),
            (Some(_), Some(told)) if told.is_refused() || marked.remove(&id) => Ok(reply(told)),
            // Handed in with success before, or by another request of this moment.
            (Some(_), _) => Err(code::DOCUMENT_NOT_REJECTED.into()),
        };
        Ok(ids.into_iter().map(answer).collect())
    }
}

fn reply(told: &Told) -> ResubmitReply {
    let code = (told.status != ReceiptStatus::Accepted).then(|| told.code.code.to_owned());
    ResubmitReply { status: told.status.as_str().to_owned(), code }
}

/// Takes refused documents in again; tells what became of each.
async fn hand_in(cx: &Ctx, tx: &mut PgConnection, due: &[&KeptReject], out: &mut Outbox) -> Result<HashMap<Uuid, Told>, Failure> {
    let read = |reject: &&KeptReject| {
        let received = Received::read(&format!("pos.v1.{}.{}", reject.store, reject.kind), &reject.bytes);
        let hashes = Hashes::of(cx, &received)?;
        Ok((received, hashes))
    };
    let read: Vec<(Received, Option<Hashes>)> = due.iter().map(read).collect::<Result<_, Failure>>()?;
    let submissions: Vec<Submission<'_>> = due
        .iter()
        .zip(&read)
        .map(|(reject, (received, hashes))| Submission {
            received,
            bytes: &reject.bytes,
            sha256: sha256(&reject.bytes),
            hashes: hashes.as_ref(),
            arrival: reject.arrival,
            cause: cause_of(received),
            resubmitted: true,
        })
        .collect();
    let told = if submissions.is_empty() { Vec::new() } else { take_in(cx, tx, &submissions, out).await? };
    Ok(due.iter().zip(told).filter_map(|(reject, told)| Some((reject.reject_id, told?))).collect())
}
