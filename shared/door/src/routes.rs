//! The routes, and the way of one request: token, kind, place, body, key, courier, answer.

use std::{fmt::Write as _, sync::LazyLock, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jifen_contracts::{
    Problem, catalogue, code,
    document::{self, KINDS, MAX_DOCUMENT_BYTES, Opened},
    endpoint::{DocumentRequest, DocumentStatus, RejectsList, RejectsRequest},
    subject,
};
use jifen_kernel::StoreCode;
use jifen_runtime::crypto::canonical;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::{
    answer::{Answer, JSON},
    courier::{Fate, Parcel},
    door::Door,
    memory::Known,
};

/// The whole body must be here by then.
const BODY_WAIT: Duration = Duration::from_secs(10);
/// A receipt that takes longer is not waited for: the caller gets 202 and asks later.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// The routes of the door.
pub fn router(door: Door) -> Router {
    let refuse_method = || async { Answer::problem(code::REQUEST_METHOD.into()) };
    Router::new()
        .route("/v1/documents/{kind}", post(submit).fallback(refuse_method))
        .route("/v1/documents/{kind}/{number}", get(status).fallback(refuse_method))
        .route("/v1/openapi.json", get(openapi).fallback(refuse_method))
        .fallback(|| async { Answer::problem(code::REQUEST_NOT_FOUND.into()) })
        .with_state(door)
}

async fn openapi() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| catalogue::openapi().to_string());
    ([(header::CONTENT_TYPE, JSON)], TEXT.as_str()).into_response()
}

async fn submit(State(door): State<Door>, Path(kind): Path<String>, headers: HeaderMap, body: Body) -> Answer {
    match hand_in(&door, &kind, &headers, body).await {
        Ok(answer) => answer,
        Err(problem) => Answer::problem(problem),
    }
}

/// A request that may be processed.
struct Request<'a> {
    door: &'a Door,
    store: StoreCode,
    kind: &'static str,
    data: Map<String, Value>,
    parcel: Parcel,
    location: Option<String>,
}

async fn hand_in(door: &Door, kind: &str, headers: &HeaderMap, body: Body) -> Result<Answer, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let store = door.store_of(text("authorization"))?;
    let Some(kind) = KINDS.into_iter().find(|known| *known == kind) else {
        return Ok(Answer::refusal(code::DOCUMENT_UNKNOWN_KIND, StatusCode::NOT_FOUND));
    };
    check_media_type(text("content-type"))?;
    let key = headers.get("idempotency-key").map(|value| read_key(value.to_str().ok())).transpose()?;
    let _permit = door.permit(&store)?;
    let Some(bytes) = read_body(headers, body).await? else { return Ok(Answer::problem(code::DOCUMENT_TOO_LARGE.into())) };
    let opened = document::open(&bytes).map_err(|fault| Problem::new(fault.code).detail(fault.detail))?;
    if opened.data.get("store").and_then(Value::as_str).is_some_and(|named| named != store.as_str()) {
        return Err(Problem::new(code::REQUEST_OTHER_STORE).at("/store"));
    }
    let content = canonical(&opened.data).map_err(|error| Problem::new(code::DOCUMENT_UNDECODABLE).detail(error.to_string()))?;
    let hash: [u8; 32] = Sha256::new().chain_update(kind).chain_update([0]).chain_update(content).finalize().into();
    let traceparent = text("traceparent").map(str::to_owned);
    let parcel = wrap(&store, kind, key.as_deref(), &hash, traceparent, &opened);
    // The envelope counts, too.
    if parcel.bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(code::DOCUMENT_TOO_LARGE.into());
    }
    let location = document::number_field(kind)
        .and_then(|field| opened.data.get(field)?.as_str())
        .map(|number| format!("/v1/documents/{kind}/{}", escaped(number)));
    let request = Request { door, store, kind, data: opened.data, parcel, location };
    match key {
        Some(key) => request.once(&key, hash).await,
        None => Ok(request.deliver(Instant::now() + ANSWER_WAIT).await?.0),
    }
}

impl Request<'_> {
    /// Delivers once a key: repeats get the first one's answer, or wait for it.
    async fn once(&self, key: &str, hash: [u8; 32]) -> Result<Answer, Problem> {
        let deadline = Instant::now() + ANSWER_WAIT;
        loop {
            match self.door.memory().look(&self.store, key, hash) {
                Known::Other => return Err(code::REQUEST_KEY_REUSED.into()),
                Known::New(sender) => {
                    let (answer, is_final) = self.deliver(deadline).await?;
                    if is_final {
                        sender.send_replace(Some(answer.clone()));
                    }
                    return Ok(answer);
                }
                Known::Same(mut said) => {
                    let found = tokio::time::timeout_at(deadline, said.wait_for(Option::is_some)).await;
                    match found {
                        Ok(Ok(answer)) => {
                            if let Some(answer) = answer.as_ref() {
                                return Ok(answer.clone());
                            }
                        }
                        // It came to nothing final: this one tries.
                        Ok(Err(_)) => {}
                        Err(_) => return Ok(self.pending()),
                    }
                }
            }
        }
    }

    /// Publishes and waits. Also says whether the answer stays right: a refused document may be taken later, when the program was
    /// mended.
    async fn deliver(&self, deadline: Instant) -> Result<(Answer, bool), Problem> {
        let courier = self.door.courier().await?;
        Ok(match courier.deliver(&self.parcel, self.door.end(deadline), &|_| ()).await {
            Fate::Told(receipt) => {
                let answer = Answer::receipt(&receipt, self.location.as_deref());
                let is_final = answer.status().is_success();
                (answer, is_final)
            }
            Fate::Taken => (self.pending(), false),
            Fate::NotTaken(why) => {
                tracing::warn!(store = %self.store, kind = self.kind, why, "a document handed in by HTTP could not be published");
                return Err(code::REQUEST_NOT_TAKEN.into());
            }
        })
    }

    /// The document is safe, and its receipt is late.
    fn pending(&self) -> Answer {
        let number = document::number_field(self.kind).and_then(|field| self.data.get(field));
        let body = json!({ "status": "pending", "kind": self.kind, "document": number });
        Answer::json(StatusCode::ACCEPTED, &body).located(self.location.as_deref())
    }
}

async fn status(State(door): State<Door>, Path((kind, number)): Path<(String, String)>, headers: HeaderMap) -> Answer {
    let asked = async {
        let store = door.store_of(headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()))?;
        if !KINDS.contains(&kind.as_str()) {
            return Ok(Answer::refusal(code::DOCUMENT_UNKNOWN_KIND, StatusCode::NOT_FOUND));
        }
        let _permit = door.permit(&store)?;
        let client = door.client().await?;
        let request = DocumentRequest { store: store.to_string(), kind: kind.clone(), document: number.clone() };
        match jifen_runtime::ask::<DocumentStatus>(&client, &request).await {
            Ok(reply) => Ok(Answer::json(StatusCode::OK, &serde_json::to_value(reply).unwrap_or_default())),
            Err(problem) if problem.code == code::DOCUMENT_NOT_FOUND.code => {
                // One that was refused has no row of its own: it is among the refused ones, or nobody has heard of it.
                let request = RejectsRequest {
                    store: Some(store.to_string()),
                    kind: Some(kind.clone()),
                    document: Some(number.clone()),
                    limit: Some(1),
                    ..RejectsRequest::default()
                };
                let page = jifen_runtime::ask::<RejectsList>(&client, &request).await?;
                let Some(refused) = page.rejects.into_iter().next() else { return Err(problem) };
                let body = json!({ "status": "rejected", "code": refused.code, "pointer": refused.pointer, "received_at": refused.at });
                Ok(Answer::json(StatusCode::OK, &body))
            }
            Err(problem) => Err(problem),
        }
    };
    asked.await.unwrap_or_else(Answer::problem)
}

fn check_media_type(content_type: Option<&str>) -> Result<(), Problem> {
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = [JSON, "application/cloudevents+json"].contains(&kind.as_str());
    if known { Ok(()) } else { Err(code::REQUEST_MEDIA_TYPE.into()) }
}

/// A key, bare or quoted as a structured header's string: 1 to 128 visible characters.
fn read_key(value: Option<&str>) -> Result<String, Problem> {
    let key = value.map(str::trim).unwrap_or_default();
    let key = key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(key);
    let fits = (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(key.to_owned()) } else { Err(code::REQUEST_BAD_KEY.into()) }
}

/// The body; `None` of one that is too large.
async fn read_body(headers: &HeaderMap, body: Body) -> Result<Option<axum::body::Bytes>, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_DOCUMENT_BYTES) {
        return Ok(None);
    }
    match tokio::time::timeout(BODY_WAIT, axum::body::to_bytes(body, MAX_DOCUMENT_BYTES)).await {
        Ok(Ok(bytes)) => Ok(Some(bytes)),
        Ok(Err(_)) => Ok(None),
        Err(_) => Err(code::REQUEST_TIMED_OUT.into()),
    }
}

/// The document in an envelope whose id is the caller's key, else its own, else its content's hash: a repeat is byte for byte the
/// same.
fn wrap(store: &StoreCode, kind: &str, key: Option<&str>, hash: &[u8; 32], traceparent: Option<String>, opened: &Opened) -> Parcel {
    let hash = hex::encode(hash);
    let id = key.map(str::to_owned).or_else(|| opened.event_id.clone()).unwrap_or_else(|| hash.clone());
    let mut envelope = json!({
        "specversion": "1.0", "id": id, "source": format!("/stores/{store}/http"), "type": format!("pos.{kind}"), "data": opened.data,
    });
    if let Some(traceparent) = traceparent.or_else(|| opened.traceparent.clone()) {
        envelope["traceparent"] = Value::String(traceparent);
    }
    Parcel { subject: subject::pos(store, kind), bytes: envelope.to_string().into_bytes() }
}

/// As a segment of a path: everything but letters, digits and `-._~` escaped.
fn escaped(number: &str) -> String {
    let mut path = String::with_capacity(number.len());
    for byte in number.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // A text takes whatever is written to it.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests;
