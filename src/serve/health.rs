//! Whether this process lives, and whether it is ready.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};

/// Says to the health endpoint whether this process is ready. Clones share one answer; it begins with no.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Ready from here on.
    pub fn ready(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether this process is ready.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// `/healthz` answers 200 as long as requests are served; `/readyz` 200 when ready and 503 otherwise.
pub fn router(readiness: Readiness) -> Router {
    let alive = get(async || "ok");
    let ready = get(
        async |State(readiness): State<Readiness>| {
            if readiness.is_ready() { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") }
        },
    );
    Router::new()
        .route("/healthz", alive.clone())
        .route("/healthz/", alive)
        .route("/readyz", ready.clone())
        .route("/readyz/", ready)
        .with_state(readiness)
}
