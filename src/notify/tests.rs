#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;
use std::time::Duration;

use headwater_api::GitRepository;
use headwater_testing::web::{Web, answer};
use serde_json::{Value, json};

use super::*;

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

/// Posts events until all are delivered or given up, to a receiver that answers with these statuses in turn, and then with 202. Answers
/// the bodies that it was sent.
async fn posted(answers: &[u16], events: Vec<Event>) -> Vec<Value> {
    let answers = Mutex::new(answers.iter().rev().copied().collect::<Vec<_>>());
    let receiver = Web::start(move |_| answer(answers.lock().unwrap().pop().unwrap_or(202), &[], "")).await;
    let (recorder, queues) = recorder(Posting::On);
    for event in events {
        recorder.record(event);
    }
    drop(recorder);
    let webhook = Webhook::new(&receiver.url("/"), "host-1".into()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), webhook.run(queues.webhook)).await.unwrap();
    receiver.asked().iter().map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect()
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
