//! What is refused before anything is published. The rest is seen through the executable (tests/e2e).

use axum::response::Response;
use jifen_infra::Keys;

use super::*;
use crate::token::token_of;

fn keys() -> Keys {
    Keys::from_bytes([[7; 32]; 4])
}

/// A door whose broker is not there.
fn door() -> Door {
    Door::new("nats://127.0.0.1:1", keys(), tokio_util::sync::CancellationToken::new())
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().expect("a value"))).collect()
}

type Pairs<'a> = &'a [(&'static str, &'a str)];

async fn refusal(kind: &str, pairs: Pairs<'_>, body: &str) -> (u16, String) {
    let answer = submit(State(door()), Path(kind.to_owned()), headers(pairs), Body::from(body.to_owned())).await;
    let response: Response = answer.into_response();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    let problem: Problem = serde_json::from_slice(&body).expect("a problem");
    assert_eq!(problem.status, status);
    (status, problem.code)
}

#[tokio::test]
async fn what_is_refused_at_the_door() {
    let bearer = format!("Bearer {}", token_of(&keys(), &StoreCode::try_new("SH01").expect("store")));
    let auth = ("authorization", bearer.as_str());
    let json = ("content-type", "application/json; charset=utf-8");
    let huge = format!("{{\"store\":\"SH01\",\"x\":\"{}\"}}", "x".repeat(MAX_DOCUMENT_BYTES));
    let nearly = format!("{{\"store\":\"SH01\",\"x\":\"{}\"}}", "x".repeat(MAX_DOCUMENT_BYTES - 50));
    let cases: [(&str, Pairs<'_>, &str, u16, &str); 12] = [
        ("invoice", &[json], "{}", 401, "request.unauthorized"),
        ("invoice", &[("authorization", "Bearer SH01.00"), json], "{}", 401, "request.unauthorized"),
        ("gossip", &[auth, json], "{}", 404, "document.unknown_kind"),
        ("invoice", &[auth], "{}", 415, "request.media_type"),
        ("invoice", &[auth, ("content-type", "text/csv")], "{}", 415, "request.media_type"),
        ("invoice", &[auth, json, ("idempotency-key", "a b")], "{}", 400, "request.bad_key"),
        ("invoice", &[auth, json, ("content-length", "300000")], "{}", 413, "document.too_large"),
        ("invoice", &[auth, json], &huge, 413, "document.too_large"),
        ("invoice", &[auth, json], &nearly, 413, "document.too_large"),
        ("invoice", &[auth, json], "[1]", 400, "document.undecodable"),
        ("invoice", &[auth, json], "{\"store\":\"SH02\"}", 403, "request.other_store"),
        ("invoice", &[auth, json], "{\"store\":\"SH01\"}", 503, "request.not_taken"),
    ];
    for (kind, pairs, body, status, code) in cases {
        assert_eq!(refusal(kind, pairs, body).await, (status, code.to_owned()), "{kind} {pairs:?}");
    }
}

#[test]
fn the_envelope_keeps_the_content_and_a_repeat_is_the_same_bytes() {
    let store = StoreCode::try_new("SH01").expect("store");
    let bare = document::open(br#"{"store":"SH01","invoice_no":"R1"}"#).expect("a document");
    let own = document::open(br#"{"specversion":"1.0","id":"e-1","data":{"store":"SH01","invoice_no":"R1"}}"#).expect("a document");
    let wrapped = |key: Option<&str>, opened| wrap(&store, "invoice", key, &[1; 32], None, opened);
    for (parcel, id) in [
        (wrapped(Some("k-1"), &own), "k-1".to_owned()),
        (wrapped(None, &own), "e-1".to_owned()),
        (wrapped(None, &bare), hex::encode([1; 32])),
    ] {
        let opened = document::open(&parcel.bytes).expect("a document");
        assert_eq!((opened.event_id, &opened.data), (Some(id), &bare.data));
        assert_eq!(parcel.subject, "pos.v1.SH01.invoice");
    }
    assert_eq!(wrapped(None, &bare).bytes, wrapped(None, &bare).bytes);
    assert_eq!(escaped("R/1 号.a-b"), "R%2F1%20%E5%8F%B7.a-b");
    assert_eq!(read_key(Some("\"abc\"")).expect("a key"), "abc");
}
