//! Events: on the object in Kubernetes, and posted to a receiver. Never in the way of a reconcile: `record` puts an event
//! into bounded queues and returns.

mod kubernetes;
mod webhook;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use headwater_api::meta;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Resource, ResourceExt};
use tokio::sync::mpsc;
use tracing::warn;

#[cfg(test)]
mod tests;

pub use kubernetes::Kubernetes;
pub use webhook::Webhook;

/// How many events may wait in each queue; further ones are dropped with a warning.
const QUEUE: usize = 1_000;
/// The prefix of the object annotations that become metadata of its events.
const EVENT_ANNOTATIONS: &str = "event.toolkit.fluxcd.io/";

/// How grave an event is, and who hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// In Kubernetes only.
    Trace,
    /// In Kubernetes, and posted.
    Info,
    /// A warning in Kubernetes, and posted as an error.
    Error,
}

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub struct Event {
    object: ObjectReference,
    severity: Severity,
    reason: String,
    message: String,
    metadata: BTreeMap<String, String>,
    at: DateTime<Utc>,
}

impl Event {
    /// An event about an object, with the metadata that the object's own annotations give.
    pub fn about<K: Resource<DynamicType = ()>>(object: &K, severity: Severity, reason: &str, message: &str) -> Self {
        let metadata = object.annotations().iter().filter(|(key, _)| key.starts_with(EVENT_ANNOTATIONS));
        Self {
            object: ObjectReference { resource_version: object.resource_version(), ..object.object_ref(&()) },
            severity,
            reason: reason.to_owned(),
            message: message.to_owned(),
            metadata: metadata.map(|(key, value)| (key.clone(), value.clone())).collect(),
            at: Utc::now(),
        }
    }

    /// The same event with metadata; keys are prefixed with the API group of sources.
    #[must_use]
    pub fn with(mut self, metadata: &[(&str, &str)]) -> Self {
        for (key, value) in metadata {
            self.metadata.entry(format!("{}/{key}", meta::GROUP)).or_insert_with(|| (*value).to_owned());
        }
        self
    }
}

/// Where events are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    kubernetes: mpsc::Sender<Event>,
    webhook: Option<mpsc::Sender<Event>>,
}

/// The queues' other ends, to be run as tasks.
#[derive(Debug)]
pub struct Queues {
    /// For [`Kubernetes`].
    pub kubernetes: mpsc::Receiver<Event>,
    /// For [`Webhook`]; nothing arrives where nothing is posted.
    pub webhook: mpsc::Receiver<Event>,
}

/// Whether events are posted to a receiver as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// They are.
    On,
    /// They are not.
    Off,
}

/// A recorder and its queues.
pub fn recorder(posting: Posting) -> (Recorder, Queues) {
    let (kubernetes, kubernetes_end) = mpsc::channel(QUEUE);
    let (webhook, webhook_end) = mpsc::channel(QUEUE);
    let webhook = (posting == Posting::On).then_some(webhook);
    (Recorder { kubernetes, webhook }, Queues { kubernetes: kubernetes_end, webhook: webhook_end })
}

impl Recorder {
    /// Hands an event in; drops it when a queue is full.
    pub fn record(&self, event: Event) {
        if event.severity != Severity::Trace
            && let Some(webhook) = &self.webhook
            && webhook.try_send(event.clone()).is_err()
        {
            warn!(reason = event.reason, "too many events are waiting to be posted; dropped one");
        }
        let reason = event.reason.clone();
        if self.kubernetes.try_send(event).is_err() {
            warn!(reason, "too many events are waiting to be written; dropped one");
        }
    }
}
