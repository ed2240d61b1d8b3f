//! Receipts and problems as HTTP answers.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jifen_contracts::{
    Problem,
    code::{self, Code},
    receipt::{Receipt, ReceiptStatus},
};
use serde_json::Value;

/// Of a problem (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";
/// Of everything else.
pub const JSON: &str = "application/json";
/// Seconds after which a refused caller may come again.
const RETRY_AFTER: &str = "2";

/// An answer, as it is given and repeated.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// With this status and content.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self { status, kind: JSON, body: body.to_string(), headers: Vec::new() }
    }

    /// A problem with its own status.
    pub fn problem(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = Self { status, kind: PROBLEM, body: serde_json::to_string(&problem).unwrap_or_default(), headers: Vec::new() };
        if [code::REQUEST_TOO_MANY, code::REQUEST_NOT_TAKEN, code::SERVICE_UNAVAILABLE].iter().any(|late| late.code == problem.code) {
            answer = answer.header(header::RETRY_AFTER, RETRY_AFTER);
        }
        if problem.code == code::REQUEST_UNAUTHORIZED.code {
            answer = answer.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        answer
    }

    /// A problem of this code, said to come with another status.
    pub fn refusal(code: Code, status: StatusCode) -> Self {
        Self::problem(Problem { status: status.as_u16(), ..Problem::new(code) })
    }

    /// What a receipt says: a document that counts is 200, one that waits 202, a refused one 422 with code and place.
    pub fn receipt(receipt: &Receipt, location: Option<&str>) -> Self {
        let status = match receipt.status {
            ReceiptStatus::Accepted | ReceiptStatus::Duplicate => StatusCode::OK,
            ReceiptStatus::Parked => StatusCode::ACCEPTED,
            ReceiptStatus::Rejected => return Self::problem(problem_of(receipt)),
        };
        let answer = Self { status, kind: JSON, body: serde_json::to_string(receipt).unwrap_or_default(), headers: Vec::new() };
        if receipt.status == ReceiptStatus::Parked { answer.located(location) } else { answer }
    }

    /// With a `Location`, if there is one.
    pub fn located(self, location: Option<&str>) -> Self {
        match location {
            Some(location) => self.header(header::LOCATION, location),
            None => self,
        }
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        // What can't stand in a header is left out: numbers of documents are escaped before.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

/// A refused document as a problem: 422, whatever the code's own status, which is that of a request.
fn problem_of(receipt: &Receipt) -> Problem {
    let code = receipt.code.clone().unwrap_or_else(|| code::DOCUMENT_UNDECODABLE.code.to_owned());
    Problem {
        kind: format!("urn:jifen:problem:{code}"),
        status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
        code,
        detail: receipt.text.en.clone(),
        pointer: receipt.pointer.clone(),
        retry_after_s: None,
        text: receipt.text.clone(),
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.extend(self.headers);
        response
    }
}
