//! `/livez`, `/readyz` and `/metrics` of a process.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Telemetry;

/// Whether the process takes work. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Ready, or no longer.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }

    fn status(&self) -> (StatusCode, &'static str) {
        if self.0.load(Ordering::SeqCst) { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
    }
}

/// Binds the port: fails at once if another program has it.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves health and metrics, and what else stands at this address, until `stop`.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    telemetry: Telemetry,
    more: Option<Router>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let app = more
        .unwrap_or_default()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(move || async move { readiness.status() }))
        .route("/metrics", get(move || async move { ([("content-type", "text/plain; version=0.0.4")], telemetry.render()) }));
    serve_only(listener, app, stop).await
}

/// Serves this alone, until `stop`.
pub async fn serve_only(listener: TcpListener, app: Router, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await }).await
}
