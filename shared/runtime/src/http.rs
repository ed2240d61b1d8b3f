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

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, readiness: Readiness, telemetry: Telemetry, stop: CancellationToken) -> std::io::Result<()> {
    let app = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(move || async move { readiness.status() }))
        .route("/metrics", get(move || async move { ([("content-type", "text/plain; version=0.0.4")], telemetry.render()) }));
    axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await }).await
}
