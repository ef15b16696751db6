//! A client of a Kubernetes API that hides nothing: requests as they are sent, answers as they come.

use std::time::Duration;

use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::eventually;

/// Media type of objects.
pub const JSON: &str = "application/json";
/// Media type of a merge patch.
pub const MERGE: &str = "application/merge-patch+json";
/// Media type of a list of operations on an object.
pub const JSON_PATCH: &str = "application/json-patch+json";
/// Media type of a configuration that a field manager applies.
pub const APPLY: &str = "application/apply-patch+yaml";

/// Path of the ConfigMaps of the namespace `default`.
pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Time within which an answer comes, and within which happens what happens in the background.
pub const SOON: Duration = Duration::from_secs(20);
/// The longest that a watch goes on.
const WATCH: Duration = Duration::from_mins(10);

/// A client of the API at one address.
#[derive(Debug, Clone)]
pub struct RestClient {
    /// The address, such as `http://127.0.0.1:12345`.
    pub url: String,
    http: reqwest::Client,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    /// The code of HTTP.
    pub code: u16,
    /// The headers of HTTP.
    pub headers: HeaderMap,
    /// The object, or a string where the body is no JSON.
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
    pub fn refusal(self, code: u16) -> String {
        assert_eq!(self.code, code, "{}", self.body);
        assert_eq!((&self.body["kind"], &self.body["status"], &self.body["code"]), (&json!("Status"), &json!("Failure"), &json!(code)));
        self.body["message"].as_str().unwrap().to_owned()
    }
}

impl RestClient {
    /// A client that sends no credentials.
    pub fn new(url: &str) -> Self {
        // A connection of before may be closed just when it is used again.
        let http = reqwest::Client::builder().timeout(SOON).pool_max_idle_per_host(0).build().unwrap();
        Self { url: url.to_owned(), http }
    }

    /// Sends a body of any kind. Answers the error where there is no answer.
    pub async fn ask(&self, method: Method, path: &str, media: &str, body: impl Into<reqwest::Body>) -> Result<Answer, reqwest::Error> {
        let request = self.http.request(method, format!("{}{path}", self.url)).header("content-type", media);
        let answer = request.body(body).send().await?;
        let (code, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await?;
        Ok(Answer { code, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// Sends an object, or no body for null.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(method, path, JSON, text).await.unwrap()
    }

    /// Reads an object or a list.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &Value::Null).await
    }

    /// Creates an object in a collection.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    /// Replaces an object.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, body).await
    }

    /// Changes an object, by a patch of that media type.
    pub async fn patch(&self, path: &str, media: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, media, body.to_string()).await.unwrap()
    }

    /// Deletes an object or a collection, without options.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &Value::Null).await
    }

    /// Waits until there is nothing at a path.
    pub async fn wait_gone(&self, path: &str) {
        eventually(SOON, async || match self.get(path).await.code {
            404 => Ok(()),
            code => Err(format!("{path} answers {code}")),
        })
        .await;
    }

    /// Starts a watch, with `query` beside the parameter that asks for one.
    pub async fn watch(&self, path: &str, query: &str) -> Events {
        let url = format!("{}{path}?watch=1&{query}", self.url);
        let answer = self.http.get(url).timeout(WATCH).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Events { answer, rest: Vec::new() }
    }
}

/// The events of a watch. Each has to come within [`SOON`].
#[derive(Debug)]
pub struct Events {
    answer: reqwest::Response,
    rest: Vec<u8>,
}

impl Events {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        self.line().await.map(|line| serde_json::from_slice(&line).unwrap())
    }

    /// The text of the next event; `None` at the end.
    pub async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Some(self.rest.drain(..=end).collect());
            }
            let chunk = tokio::time::timeout(SOON, self.answer.chunk()).await.expect("no event for long").unwrap()?;
            self.rest.extend_from_slice(&chunk);
        }
    }

    /// The next event: its type, the name of its object and that object. There has to be one.
    pub async fn event(&mut self) -> (String, String, Value) {
        let event = self.next().await.expect("the watch has ended");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]), event["object"].clone())
    }
}

/// A ConfigMap with one value, under the key `value`.
pub fn map(name: &str, value: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"value": value}})
}

/// The version of an object or a list.
pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}
