//! A place that events are posted to, as notification-controller is in a cluster.

use headwater_testing::web::{Web, answer};
use serde_json::Value;

/// Keeps the body of everything that is posted to it.
pub struct EventSink {
    pub url: String,
    web: Web,
}

impl EventSink {
    pub async fn start() -> Self {
        let web = Web::start(|_| answer(202, &[], "")).await;
        Self { url: web.url("/"), web }
    }

    /// The bodies so far.
    pub fn posted(&self) -> Vec<Value> {
        let bodies = self.web.asked();
        bodies.iter().map(|asked| serde_json::from_slice(&asked.body).unwrap_or_else(|_| Value::from(asked.text()))).collect()
    }
}
