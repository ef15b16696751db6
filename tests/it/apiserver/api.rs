//! An embedded API server of one test, and a client of it that hides nothing.

use std::time::Duration;

use axum::http::{HeaderMap, Method};
use headwater_apiserver::{
    Place,
    testing::{Garbage, LoopbackServer},
};
use headwater_testing::eventually;
use serde_json::{Value, json};

pub const JSON: &str = "application/json";
pub const MERGE: &str = "application/merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// How long things may take that happen in the background.
pub const SOON: Duration = Duration::from_secs(20);

/// Where an API is, and who asks.
#[derive(Clone)]
pub struct Api {
    pub url: String,
    client: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The object, where the answer is a good one.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.code < 300, "{}: {}", self.code, self.body);
        self.body
    }

    /// The message, where the answer is a `Status` of that code.
    #[track_caller]
    pub fn refused(self, code: u16) -> String {
        assert_eq!(self.code, code, "{}", self.body);
        assert_eq!((&self.body["kind"], &self.body["status"], &self.body["code"]), (&json!("Status"), &json!("Failure"), &json!(code)));
        self.body["message"].as_str().unwrap().to_owned()
    }
}

impl Api {
    /// A client of the API at that address.
    pub fn at(url: &str) -> Self {
        // A connection of before may be closed just when it is used again.
        let client = reqwest::Client::builder().timeout(SOON).pool_max_idle_per_host(0).build().unwrap();
        Self { url: url.to_owned(), client }
    }

    /// The answer, or why there is none.
    pub async fn ask(&self, method: Method, path: &str, media: &str, body: impl Into<reqwest::Body>) -> Result<Answer, reqwest::Error> {
        let request = self.client.request(method, format!("{}{path}", self.url)).header("content-type", media);
        let answer = request.body(body).send().await?;
        let (code, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await?;
        Ok(Answer { code, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(method, path, JSON, text).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &Value::Null).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, body).await
    }

    pub async fn patch(&self, path: &str, media: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, media, body.to_string()).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &Value::Null).await
    }

    /// Waits until there is nothing at a path.
    pub async fn gone(&self, path: &str) {
        eventually(SOON, async || match self.get(path).await.code {
            404 => Ok(()),
            code => Err(format!("{path} answers {code}")),
        })
        .await;
    }

    /// Starts to watch.
    pub async fn watch(&self, path: &str, query: &str) -> Events {
        let url = format!("{}{path}?watch=1&{query}", self.url);
        let answer = self.client.get(url).timeout(Duration::from_mins(10)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Events { answer, rest: Vec::new() }
    }
}

/// A watch under way.
pub struct Events {
    answer: reqwest::Response,
    rest: Vec<u8>,
}

impl Events {
    /// The next event; nothing at the end.
    pub async fn next(&mut self) -> Option<Value> {
        self.line().await.map(|line| serde_json::from_slice(&line).unwrap())
    }

    /// The text of the next event.
    pub async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Some(self.rest.drain(..=end).collect());
            }
            let chunk = tokio::time::timeout(SOON, self.answer.chunk()).await.expect("no event for long").unwrap()?;
            self.rest.extend_from_slice(&chunk);
        }
    }

    /// The next event: its type, the name of its object and that object.
    pub async fn told(&mut self) -> (String, String, Value) {
        let event = self.next().await.expect("the watch has ended");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]), event["object"].clone())
    }
}

/// A server of one test, which ends with it.
pub struct Embedded {
    pub api: Api,
    server: LoopbackServer,
}

impl Embedded {
    /// A server that keeps its objects in memory.
    pub async fn start() -> Self {
        Self::at(Place::Memory, Garbage::Collected).await
    }

    pub async fn at(place: Place, garbage: Garbage) -> Self {
        let server = LoopbackServer::start(place, garbage).await;
        Self { api: Api::at(server.url()), server }
    }

    /// Ends the server and waits for that.
    pub async fn stop(self) {
        self.server.end().await;
    }

    /// Defines a kind `things.example.com`, namespaced, with a status and whatever fields.
    pub async fn define_things(&self) {
        let body = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}},
            }]},
        });
        self.api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &body).await.ok();
    }
}

/// The path of the ConfigMaps of a namespace.
pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A ConfigMap with one value.
pub fn map(name: &str, value: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"value": value}})
}

/// The version of an object or a list.
pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}
