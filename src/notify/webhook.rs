//! Events posted as JSON to a receiver such as notification-controller.

use std::time::Duration;

use chrono::SecondsFormat;
use futures::{StreamExt, stream};
use headwater_api::meta;
use headwater_http::{Clients, Proxies, Trust, Unusable, causes};
use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::mpsc;
use tracing::{debug, warn};
use url::Url;

use super::{Event, Severity};

/// How long one post may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often a post is tried.
const TRIES: u32 = 5;
/// The wait before the second try; doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How many posts may be under way at once.
const AT_ONCE: usize = 8;

/// Why a receiver cannot be posted to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not a URL.
    #[error("invalid --events-addr: {0}")]
    Address(#[from] url::ParseError),
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client for --events-addr: {0}")]
    Client(#[from] Unusable),
}

/// Posts events.
pub struct Webhook {
    client: reqwest::Client,
    url: Url,
    instance: String,
}

impl Webhook {
    /// A poster to `address` that names this process `instance`.
    pub fn new(address: &str, instance: String) -> Result<Self, Error> {
        // Proxies that cannot be read there are reported by those who need them.
        let clients = Clients::new(Ok(Proxies::of_process().unwrap_or_default()));
        Ok(Self { client: clients.get(&Trust::default(), None)?, url: address.parse()?, instance })
    }

    /// Posts events until every sender is gone.
    pub async fn run(self, events: mpsc::Receiver<Event>) {
        stream::unfold(events, |mut events| async move { events.recv().await.map(|event| (event, events)) })
            .for_each_concurrent(AT_ONCE, |event| self.deliver(event))
            .await;
    }

    async fn deliver(&self, event: Event) {
        let body = self.body(&event);
        let mut wait = FIRST_WAIT;
        for attempt in 1..=TRIES {
            match self.client.post(self.url.clone()).timeout(TIMEOUT).json(&body).send().await {
                Ok(answer) if answer.status() == StatusCode::TOO_MANY_REQUESTS => {
                    debug!(reason = event.reason, "the receiver knows this event already");
                    return;
                }
                Ok(answer) if answer.status().is_server_error() && attempt < TRIES => {}
                Ok(answer) if answer.status().is_success() => return,
                Ok(answer) => {
                    warn!(status = answer.status().as_u16(), reason = event.reason, "unable to post event");
                    return;
                }
                Err(_) if attempt < TRIES => {}
                Err(error) => {
                    warn!(error = %causes(&error), reason = event.reason, "unable to post event");
                    return;
                }
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    fn body(&self, event: &Event) -> serde_json::Value {
        let mut body = json!({
            "involvedObject": event.object,
            "severity": if event.severity == Severity::Error { "error" } else { "info" },
            "timestamp": event.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "message": event.message,
            "reason": event.reason,
            "reportingController": meta::CONTROLLER,
            "reportingInstance": self.instance,
        });
        if !event.metadata.is_empty() {
            body["metadata"] = json!(event.metadata);
        }
        body
    }
}
