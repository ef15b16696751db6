//! Core/v1 events on the object. Equal ones are one event with a count.

use std::collections::{HashMap, VecDeque};

use chrono::Timelike;
use headwater_api::meta;
use k8s_openapi::api::core::v1::{Event as CoreEvent, EventSource};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc;
use tracing::warn;

use super::{Event, Severity};
use crate::telemetry;

/// How many different events are remembered to be counted rather than written again.
const REMEMBERED: usize = 4_096;
/// The longest message of a core/v1 event, in bytes.
const MAX_MESSAGE: usize = 1_024;

/// What makes two events the same: object, severity, reason and message.
type Key = (String, &'static str, String, String);

/// Writes events to the Kubernetes API.
pub struct Kubernetes {
    client: kube::Client,
    instance: String,
    written: HashMap<Key, (String, i32)>,
    order: VecDeque<Key>,
}

impl Kubernetes {
    /// A writer that names this process `instance`.
    pub fn new(client: kube::Client, instance: String) -> Self {
        Self { client, instance, written: HashMap::new(), order: VecDeque::new() }
    }

    /// Writes events until every sender is gone.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            let (reason, name) = (event.reason.clone(), event.object.name.clone().unwrap_or_default());
            if let Err(error) = self.write(event).await {
                warn!(error = telemetry::told(&error), reason, name, "unable to record event");
            }
        }
    }

    async fn write(&mut self, event: Event) -> kube::Result<()> {
        let namespace = event.object.namespace.clone().unwrap_or_default();
        let api: Api<CoreEvent> = Api::namespaced(self.client.clone(), &namespace);
        let key = key(&event);
        if let Some((name, count)) = self.written.get_mut(&key) {
            let body = json!({ "count": *count + 1, "lastTimestamp": event.at.with_nanosecond(0) });
            match api.patch(name, &PatchParams::default(), &Patch::Merge(body)).await {
                Ok(_) => {
                    *count += 1;
                    return Ok(());
                }
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let created = core_event(event, namespace, &self.instance);
        api.create(&PostParams::default(), &created).await?;
        self.remember(key, created.metadata.name.unwrap_or_default());
        Ok(())
    }

    fn remember(&mut self, key: Key, name: String) {
        if self.written.insert(key.clone(), (name, 1)).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.written.remove(&oldest);
        }
    }
}

fn type_(severity: Severity) -> &'static str {
    match severity {
        Severity::Trace | Severity::Info => "Normal",
        Severity::Error => "Warning",
    }
}

fn key(event: &Event) -> Key {
    (event.object.uid.clone().unwrap_or_default(), type_(event.severity), event.reason.clone(), event.message.clone())
}

fn core_event(event: Event, namespace: String, instance: &str) -> CoreEvent {
    let at = Time(k8s_openapi::jiff::Timestamp::from_second(event.at.timestamp()).unwrap_or_default());
    let nanos = event.at.timestamp_nanos_opt().unwrap_or_default();
    CoreEvent {
        metadata: ObjectMeta {
            name: Some(format!("{}.{nanos:x}", event.object.name.as_deref().unwrap_or_default())),
            namespace: Some(namespace),
            annotations: (!event.metadata.is_empty()).then_some(event.metadata),
            ..ObjectMeta::default()
        },
        involved_object: event.object,
        type_: Some(type_(event.severity).to_owned()),
        reason: Some(event.reason),
        message: Some(cut(event.message)),
        count: Some(1),
        first_timestamp: Some(at.clone()),
        last_timestamp: Some(at),
        source: Some(EventSource { component: Some(meta::CONTROLLER.to_owned()), host: None }),
        reporting_component: Some(meta::CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..CoreEvent::default()
    }
}

fn cut(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE - 3).rev().find(|i| message.is_char_boundary(*i)).unwrap_or_default();
        message.truncate(end);
        message.push_str("...");
    }
    message
}
