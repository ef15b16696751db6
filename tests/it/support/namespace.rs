//! A namespace of one test, and what a test does with the objects in it.

use axum::http::{Method, Request};
use headwater_testing::{PATIENCE, eventually};
use kube::Client;
use serde_json::{Value, json};

use super::cluster::Server;

/// The label by which a test's controller knows its objects.
pub const LABEL: &str = "headwater.test/run";

/// A namespace that no other test uses, seen as a place for objects of one kind: GitRepository, unless [`Self::of`] says otherwise.
pub struct Namespace {
    pub name: String,
    kind: &'static str,
    client: Client,
}

impl Namespace {
    /// Makes a namespace whose name starts with the name of the test.
    pub async fn new(server: &Server, test: &str) -> Self {
        let suffix = uuid::Uuid::new_v4().simple().to_string();
        let space = Self { name: format!("{test}-{}", &suffix[..8]), kind: "GitRepository", client: server.client().await };
        let body = json!({"metadata": {"name": space.name}});
        space.send(Method::POST, "/api/v1/namespaces", "application/json", &body).await.unwrap();
        space
    }

    /// The same namespace as a place for objects of another kind.
    pub fn of(&self, kind: &'static str) -> Self {
        Self { name: self.name.clone(), kind, client: self.client.clone() }
    }

    /// The selector for the objects of this namespace.
    pub fn selector(&self) -> String {
        format!("{LABEL}={}", self.name)
    }

    /// Creates an object; the interval is an hour unless `spec` says otherwise.
    pub async fn source(&self, name: &str, spec: Value) {
        self.try_source(name, spec).await.unwrap();
    }

    /// Like [`Self::source`], with the API server's refusal as the error.
    pub async fn try_source(&self, name: &str, spec: Value) -> Result<Value, kube::Error> {
        let mut body = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": self.kind,
            "metadata": {"name": name, "labels": {LABEL: self.name}},
            "spec": {"interval": "1h"},
        });
        for (key, value) in spec.as_object().unwrap() {
            body["spec"][key] = value.clone();
        }
        self.send(Method::POST, &self.sources(), "application/json", &body).await
    }

    /// Creates a Secret of text values.
    pub async fn secret(&self, name: &str, data: &[(&str, &str)]) {
        let data: serde_json::Map<_, _> = data.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        let body = json!({"metadata": {"name": name}, "stringData": data});
        let path = format!("/api/v1/namespaces/{}/secrets", self.name);
        self.send(Method::POST, &path, "application/json", &body).await.unwrap();
    }

    /// Merges text values into a Secret.
    pub async fn change_secret(&self, name: &str, data: &[(&str, &str)]) {
        let data: serde_json::Map<_, _> = data.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        let path = format!("/api/v1/namespaces/{}/secrets/{name}", self.name);
        self.send(Method::PATCH, &path, "application/merge-patch+json", &json!({"stringData": data})).await.unwrap();
    }

    /// The object as it is now; nothing when it is gone.
    pub async fn get(&self, name: &str) -> Option<Value> {
        let path = format!("{}/{name}", self.sources());
        match self.send(Method::GET, &path, "application/json", &Value::Null).await {
            Ok(object) => Some(object),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Merges a patch into the object.
    pub async fn patch(&self, name: &str, change: &Value) {
        let path = format!("{}/{name}", self.sources());
        self.send(Method::PATCH, &path, "application/merge-patch+json", change).await.unwrap();
    }

    /// Asks for the deletion of the object, without waiting for its end.
    pub async fn delete(&self, name: &str) {
        let path = format!("{}/{name}", self.sources());
        self.send(Method::DELETE, &path, "application/json", &Value::Null).await.unwrap();
    }

    /// Asks for a reconcile by annotation, and answers the annotation's value.
    pub async fn request(&self, name: &str) -> String {
        let request = uuid::Uuid::new_v4().to_string();
        let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": request}}});
        self.patch(name, &patch).await;
        request
    }

    /// Asks for a reconcile by annotation, waits until that is handled and over, and answers the object.
    pub async fn poke(&self, name: &str) -> Value {
        let request = self.request(name).await;
        self.wait(name, "the requested reconcile is handled", |object| {
            object["status"]["lastHandledReconcileAt"] == *request && condition(object, "Reconciling").is_none()
        })
        .await
    }

    /// Waits until the object is as `accept` wants it.
    pub async fn wait(&self, name: &str, what: &str, accept: impl Fn(&Value) -> bool) -> Value {
        eventually(PATIENCE, async || {
            let object = self.get(name).await.unwrap_or_default();
            if accept(&object) { Ok(object) } else { Err(format!("{what}: {name} has {}", object["status"])) }
        })
        .await
    }

    /// Waits until the object is Ready at its newest generation.
    pub async fn ready(&self, name: &str) -> Value {
        self.wait(name, "Ready", |object| status_is(object, "Ready", "True") && current(object)).await
    }

    /// Waits until the object is Ready with that revision.
    pub async fn ready_at(&self, name: &str, revision: &str) -> Value {
        self.wait(name, revision, |object| status_is(object, "Ready", "True") && current(object) && self::revision(object) == revision)
            .await
    }

    /// Waits until the object says that it is not ready, for that reason.
    pub async fn failed(&self, name: &str, reason: &str) -> Value {
        self.wait(name, reason, |object| {
            condition(object, "Ready").is_some_and(|ready| ready["status"] == "False" && ready["reason"] == reason)
        })
        .await
    }

    /// The Kubernetes events of this namespace.
    pub async fn events(&self) -> Vec<Value> {
        let path = format!("/api/v1/namespaces/{}/events", self.name);
        let list = self.send(Method::GET, &path, "application/json", &Value::Null).await.unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The event of that reason about the object, once it is there.
    pub async fn event(&self, name: &str, reason: &str) -> Value {
        eventually(PATIENCE, async || {
            let events = self.events().await;
            let found = events.iter().find(|event| event["reason"] == reason && event["involvedObject"]["name"] == name);
            found.cloned().ok_or_else(|| format!("no {reason} among {events:?}"))
        })
        .await
    }

    fn sources(&self) -> String {
        let plural = if self.kind.ends_with('y') { format!("{}ies", self.kind.trim_end_matches('y')) } else { format!("{}s", self.kind) };
        format!("/apis/source.toolkit.fluxcd.io/v1/namespaces/{}/{}", self.name, plural.to_lowercase())
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: &Value) -> Result<Value, kube::Error> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        for _ in 0..20 {
            let request = Request::builder().method(method.clone()).uri(path).header("content-type", kind);
            match self.client.request(request.body(body.clone()).unwrap()).await {
                // A kind whose storage is being set up asks to be tried again.
                Err(kube::Error::Api(status)) if status.code == 429 => {
                    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                }
                answer => return answer,
            }
        }
        panic!("{method} {path}: the API server is busy for ever");
    }
}

/// The condition of that type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// The message of the condition of that type; empty when there is no such condition.
pub fn message<'a>(object: &'a Value, kind: &str) -> &'a str {
    condition(object, kind).and_then(|condition| condition["message"].as_str()).unwrap_or_default()
}

/// The revision of the artifact; empty when there is none.
pub fn revision(object: &Value) -> &str {
    object["status"]["artifact"]["revision"].as_str().unwrap_or_default()
}

/// Whether the condition of that type has that status.
pub fn status_is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == status)
}

fn current(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}
