//! A recorded request, and how it is sent to a server.

use std::{collections::HashMap, time::Duration};

use axum::http::Request;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::normal::Normal;

/// A request as a client sent it. Versions, uids and tokens are placeholders for what the server said before.
#[derive(Debug, Clone, Deserialize)]
pub struct Recorded {
    /// What it is about, where method and path do not say it.
    what: Option<String>,
    method: String,
    pub path: String,
    accept: Option<String>,
    #[serde(rename = "type")]
    content_type: Option<String>,
    agent: Option<String>,
    /// Text, or protobuf in base64.
    #[serde(default)]
    body: String,
}

impl Recorded {
    /// One that is not recorded, as it is too large for a file.
    pub fn post(what: &str, path: &str, body: String) -> Self {
        let json = Some("application/json".to_owned());
        let (what, method) = (Some(what.to_owned()), "POST".to_owned());
        Self { what, method, path: path.to_owned(), accept: json.clone(), content_type: json, agent: None, body }
    }

    /// How it is called in reports.
    pub fn label(&self) -> String {
        match &self.what {
            Some(what) => format!("{what} ({} {})", self.method, self.path.chars().take(160).collect::<String>()),
            None => format!("{} {}", self.method, self.path),
        }
    }

    fn is_watch(&self) -> bool {
        self.path.contains("watch=")
    }

    /// Whether it asks what the server serves rather than for objects.
    pub fn describes_the_server(&self) -> bool {
        let path = self.bare();
        path.starts_with("/openapi") || path == "/version" || ["/api", "/apis"].contains(&path) || {
            let parts: Vec<_> = path.split('/').collect();
            matches!(parts.as_slice(), ["", "api", _] | ["", "apis", _, _])
        }
    }

    fn bare(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The path of the object that is meant.
    fn object(&self) -> &str {
        self.bare().trim_end_matches("/status")
    }
}

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// An answer that may still be under way.
enum Pending {
    Here(Value),
    Under(JoinHandle<Value>),
}

/// Sends requests to one server, and remembers what the placeholders stand for.
pub struct Player {
    client: Client,
    /// By path and field: what an object or a list said last.
    known: HashMap<(String, &'static str), String>,
    normal: Normal,
}

impl Player {
    /// One that has not sent anything yet; `namespace` is the one whose objects count in lists of all.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { client, known: HashMap::new(), normal: Normal::new(namespace) }
    }

    /// Sends everything in order. Watches run until the next write.
    pub async fn play(&mut self, requests: &[Recorded]) -> Vec<Value> {
        let (mut answers, mut pending) = (Vec::new(), Vec::new());
        for request in requests {
            if request.method != "GET" {
                self.settle(&mut pending, &mut answers).await;
            }
            if request.is_watch() {
                let sent = self.prepared(request);
                pending.push(Pending::Under(tokio::spawn(exchange(self.client.clone(), sent))));
                continue;
            }
            if request.path.contains("resourceVersion=0") {
                self.catch_up(request).await;
            }
            let sent = self.prepared(request);
            let mut answer = exchange(self.client.clone(), sent).await;
            self.learn(request, &answer["body"]);
            if request.method != "GET" && request.path.contains("/customresourcedefinitions") && answer["status"].as_u64() < Some(300) {
                self.await_definition(request.method == "DELETE").await;
            }
            self.normal.apply(&mut answer);
            pending.push(Pending::Here(answer));
        }
        self.settle(&mut pending, &mut answers).await;
        answers
    }

    async fn settle(&mut self, pending: &mut Vec<Pending>, answers: &mut Vec<Value>) {
        for answer in pending.drain(..) {
            answers.push(match answer {
                Pending::Here(answer) => answer,
                Pending::Under(task) => {
                    let mut answer = task.await.unwrap();
                    self.normal.apply(&mut answer);
                    answer
                }
            });
        }
    }

    /// Sends something that is not compared.
    pub async fn tell(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Value {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("content-type", content_type).body(body).unwrap();
        exchange(self.client.clone(), request).await
    }

    /// A real server serves a new kind, and forgets one, a moment after it has said so.
    async fn await_definition(&self, is_gone: bool) {
        for _ in 0..400 {
            let paths = [
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.conf.example.com",
                "/apis/conf.example.com/v1/namespaces/conf/things",
            ];
            let mut all = true;
            for path in paths {
                let found = self.tell("GET", path, "application/json", &Value::Null).await;
                all &= found["status"] == if is_gone { 404 } else { 200 };
            }
            if all {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the definition is neither here nor gone");
    }

    /// A real server may answer a list of any version from before the last write.
    async fn catch_up(&self, request: &Recorded) {
        if let Some(latest) = self.known.get(&(String::new(), "version")) {
            let path = format!("{}?resourceVersion={latest}&resourceVersionMatch=NotOlderThan&limit=1", request.bare());
            self.tell("GET", &path, "application/json", &Value::Null).await;
        }
    }

    fn prepared(&self, request: &Recorded) -> Request<Vec<u8>> {
        let known = |field: &'static str| {
            let (object, collection) = (request.object(), request.bare());
            let found = self.known.get(&(object.to_owned(), field)).or_else(|| self.known.get(&(collection.to_owned(), field)));
            found.cloned().unwrap_or_else(|| "0".to_owned())
        };
        let filled = |text: &str| {
            // Long enough on a busy machine; they end when nothing comes any more.
            let mut text = text.replace("watch=true&timeoutSeconds=1", "watch=true&timeoutSeconds=3");
            for (placeholder, field) in [
                ("{{version}}", "version"),
                ("{{list}}", "list"),
                ("{{continue}}", "continue"),
                ("{{created}}", "created"),
                ("{{hash}}", "hash"),
            ] {
                if text.contains(placeholder) {
                    text = text.replace(placeholder, &known(field));
                }
            }
            // A field selector asks about the object that was read last.
            let uid = if request.path.contains("{{uid}}") { self.known.get(&(String::new(), "uid")).cloned() } else { Some(known("uid")) };
            text.replace("{{uid}}", &uid.unwrap_or_default())
        };
        let mut sent = Request::builder().method(request.method.as_str()).uri(filled(&request.path));
        // The embedded server always takes the second choice of these clients. The other's first cannot be compared.
        let accept = request.accept.as_ref().map(|accept| {
            let choices: Vec<_> = accept.split(',').filter(|choice| !choice.contains("protobuf")).collect();
            if choices.is_empty() { accept.clone() } else { choices.join(",") }
        });
        for (name, value) in [("accept", &accept), ("content-type", &request.content_type), ("user-agent", &request.agent)] {
            if let Some(value) = value {
                sent = sent.header(name, value);
            }
        }
        let body = if request.content_type.as_deref().is_some_and(|kind| kind.ends_with("protobuf")) {
            STANDARD.decode(&request.body).unwrap()
        } else {
            filled(&request.body).into_bytes()
        };
        sent.body(body).unwrap()
    }

    fn learn(&mut self, request: &Recorded, body: &Value) {
        let mut learn = |path: &str, field, value: &Value| {
            if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
                self.known.insert((path.to_owned(), field), text.to_owned());
            }
        };
        for (path, described) in body["paths"].as_object().filter(|_| request.bare() == "/openapi/v3").into_iter().flatten() {
            if let Some((_, hash)) = described["serverRelativeURL"].as_str().unwrap_or_default().split_once("hash=") {
                learn(&format!("/openapi/v3/{path}"), "hash", &hash.into());
            }
        }
        let metadata = &body["metadata"];
        if request.method != "GET" && request.path.contains("dryRun") {
            return;
        }
        if metadata["uid"].is_string() {
            let mut path = request.object().to_owned();
            if request.method == "POST" {
                path = format!("{path}/{}", metadata["name"].as_str().unwrap_or_default());
            }
            learn(&path, "version", &metadata["resourceVersion"]);
            learn(&path, "uid", &metadata["uid"]);
            learn("", "uid", &metadata["uid"]);
            learn("", "version", &metadata["resourceVersion"]);
            learn(&path, "created", &metadata["creationTimestamp"]);
        } else {
            learn(request.bare(), "list", &metadata["resourceVersion"]);
            learn(request.bare(), "continue", &metadata["continue"]);
        }
    }
}

/// Sends a request, again where the server asks for that, and answers what is compared.
async fn exchange(client: Client, request: Request<Vec<u8>>) -> Value {
    for _ in 0..50 {
        let (parts, body) = request.clone().into_parts();
        let answer = tokio::time::timeout(LIMIT, client.send(Request::from_parts(parts, Body::from(body))));
        let Ok(answer) = answer.await else { return json!({"status": "no answer in time"}) };
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error:?}", request.uri()));
        if answer.status() == 429 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        let (parts, body) = answer.into_parts();
        let is_stream = request.uri().query().unwrap_or_default().contains("watch=");
        let Ok(bytes) = tokio::time::timeout(LIMIT, content(body, is_stream)).await else {
            return json!({"status": "no end in time"});
        };
        let text = |name: &str| parts.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let mut warnings: Vec<_> = parts.headers.get_all("warning").iter().map(|value| value.to_str().unwrap()).collect();
        warnings.sort_unstable();
        let mut body = read(&bytes, is_stream && parts.status == 200);
        // Only those that end the initial events come at a time that can be told.
        if let Some(events) = body.as_array_mut() {
            let asked = request.uri().to_string().contains("sendInitialEvents");
            let told = |event: &Value| asked && event["object"]["metadata"]["annotations"].is_object();
            events.retain(|event| event["type"] != "BOOKMARK" || told(event));
        }
        return json!({
            "status": parts.status.as_u16(), "type": text("content-type"), "retry": text("retry-after"), "warnings": warnings, "body": body,
        });
    }
    panic!("{} is busy for ever", request.uri());
}

/// The content of an answer. A watch is over when nothing comes for a while: what happened before is told at once.
async fn content(mut body: Body, is_stream: bool) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let quiet = match is_stream {
            true if all.is_empty() => Duration::from_millis(1_500),
            true => Duration::from_millis(600),
            false => LIMIT,
        };
        match tokio::time::timeout(quiet, body.frame()).await {
            Ok(Some(frame)) => all.extend_from_slice(&frame.unwrap().into_data().unwrap_or_default()),
            Ok(None) | Err(_) => return all,
        }
    }
}

fn read(bytes: &[u8], is_stream: bool) -> Value {
    let Ok(text) = std::str::from_utf8(bytes) else { return json!({"bytes": "binary"}) };
    if is_stream {
        return text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| line.into())).collect();
    }
    serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.into())
}
