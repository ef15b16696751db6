//! A line in the log for each request.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, Response},
};
use tower_http::trace::TraceLayer;
use tracing::Span;

/// Logs each answer of a router at level debug: method, path without the query, status, and the time until the answer begins.
/// `logger` is the name of the server.
pub fn trace(router: Router, logger: &'static str) -> Router {
    let begin =
        move |request: &Request<Body>| tracing::debug_span!("request", logger, method = %request.method(), path = request.uri().path());
    let answer =
        |response: &Response<Body>, took: Duration, _: &Span| tracing::debug!(status = response.status().as_u16(), ?took, "answered");
    // What else the layer can log comes from its crate, not from ours.
    let layer = TraceLayer::new_for_http().make_span_with(begin).on_response(answer);
    router.layer(layer.on_request(()).on_body_chunk(()).on_eos(()).on_failure(()))
}
