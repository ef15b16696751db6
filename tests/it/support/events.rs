//! A place that events are posted to, as notification-controller is in a cluster.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode};
use headwater_testing::web::serve;
use serde_json::Value;
use tokio::task::JoinSet;

/// Keeps the body of everything that is posted to it.
pub struct EventSink {
    pub url: String,
    posted: Arc<Mutex<Vec<Value>>>,
    _tasks: JoinSet<()>,
}

impl EventSink {
    pub async fn start() -> Self {
        let posted = Arc::new(Mutex::new(Vec::new()));
        let (port, tasks) = serve(Router::new().fallback(keep).with_state(Arc::clone(&posted))).await;
        Self { url: format!("http://127.0.0.1:{port}/"), posted, _tasks: tasks }
    }

    /// The bodies so far.
    pub fn posted(&self) -> Vec<Value> {
        self.posted.lock().unwrap().clone()
    }
}

async fn keep(State(posted): State<Arc<Mutex<Vec<Value>>>>, body: Bytes) -> StatusCode {
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&body)));
    posted.lock().unwrap().push(body);
    StatusCode::ACCEPTED
}
