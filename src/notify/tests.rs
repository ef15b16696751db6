#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use headwater_api::GitRepository;
use serde_json::{Value, json};

use super::*;

/// A receiver that answers with the given codes in turn, then with 202, and keeps what it was sent.
#[derive(Clone)]
struct Receiver {
    answers: Arc<Mutex<Vec<u16>>>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    async fn start(answers: &[u16]) -> (Self, String) {
        let this = Self { answers: Arc::new(Mutex::new(answers.iter().rev().copied().collect())), bodies: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(Self::receive)).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (this, address)
    }

    #[expect(clippy::unused_async, reason = "axum wants a future")]
    async fn receive(State(this): State<Self>, body: String) -> StatusCode {
        this.bodies.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        StatusCode::from_u16(this.answers.lock().unwrap().pop().unwrap_or(202)).unwrap()
    }
}

fn event(severity: Severity) -> Event {
    let object = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": { "name": "podinfo", "namespace": "apps", "uid": "u1", "resourceVersion": "7",
            "annotations": { "event.toolkit.fluxcd.io/team": "web", "other": "x" } },
        "spec": { "url": "https://git.example/r", "interval": "1m" },
    });
    let object: GitRepository = serde_json::from_value(object).unwrap();
    Event::about(&object, severity, "NewArtifact", "stored artifact").with(&[("revision", "main@sha1:1")])
}

/// Posts events until all are delivered or given up; what the receiver got.
async fn posted(answers: &[u16], events: Vec<Event>) -> Vec<Value> {
    let (receiver, address) = Receiver::start(answers).await;
    let (recorder, queues) = recorder(Posting::On);
    for event in events {
        recorder.record(event);
    }
    drop(recorder);
    let webhook = Webhook::new(&address, "host-1".into()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), webhook.run(queues.webhook)).await.unwrap();
    let bodies = receiver.bodies.lock().unwrap();
    bodies.clone()
}

#[tokio::test]
async fn a_post_tells_what_receivers_read() {
    let bodies = posted(&[], vec![event(Severity::Info), event(Severity::Error)]).await;
    let mut info = bodies.iter().find(|body| body["severity"] == "info").unwrap().clone();
    assert!(info["timestamp"].as_str().unwrap().ends_with('Z'));
    info["timestamp"] = "now".into();
    insta::assert_json_snapshot!(info);
    assert!(bodies.iter().any(|body| body["severity"] == "error"));
}

#[tokio::test]
async fn a_failing_receiver_is_tried_again_and_one_that_knows_the_event_is_not() {
    assert_eq!(posted(&[503], vec![event(Severity::Info)]).await.len(), 2);
    assert_eq!(posted(&[429], vec![event(Severity::Info)]).await.len(), 1);
    assert_eq!(posted(&[400], vec![event(Severity::Info)]).await.len(), 1);
}

#[tokio::test]
async fn traces_are_not_posted() {
    assert!(posted(&[], vec![event(Severity::Trace)]).await.is_empty());
}

#[test]
fn recording_never_waits_and_queues_are_bounded() {
    let (recorder, queues) = recorder(Posting::On);
    for _ in 0..QUEUE + 10 {
        recorder.record(event(Severity::Info));
    }
    assert_eq!((queues.kubernetes.len(), queues.webhook.len()), (QUEUE, QUEUE));
}
