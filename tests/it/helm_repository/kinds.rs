//! What is a repository at all: those of registries, which nobody fetches, and URLs that lead nowhere.

use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use crate::support::{
    artifact::download,
    cluster::{Server, on_each_server},
    namespace::{condition, message, status_is},
};

/// Whether nothing was made of an object.
fn is_bare(object: &Value) -> bool {
    let empty = |value: &Value| value.is_null() || value == &json!({}) || value == &json!([]);
    empty(&object["status"]) && empty(&object["metadata"]["finalizers"])
}

on_each_server!(a_repository_of_a_registry_is_static);
async fn a_repository_of_a_registry_is_static(server: &Server) {
    let stage = Stage::new(server, "helm-oci").await;
    stage.helm.source("oci", json!({"type": "oci", "url": "oci://127.0.0.1:1/charts"})).await;
    stage.helm.source("http", json!({"type": "oci", "url": stage.charts.url("http")})).await;
    for name in ["oci", "http"] {
        stage.helm.request(name).await;
    }
    // Those that came later are through.
    stage.ready("other").await;
    for name in ["oci", "http"] {
        let object = stage.helm.get(name).await.unwrap();
        assert!(is_bare(&object), "{object}");
    }
    assert_eq!(stage.charts.requests("http/index.yaml"), 0);
    stage.helm.delete("oci").await;
    assert!(stage.helm.get("oci").await.is_none());

    stage.charts.publish("http", &[("podx", "1.0.0")]);
    stage.helm.patch("http", &json!({"spec": {"type": "default"}})).await;
    let object = stage.helm.ready("http").await;
    assert!(download(&object).await.is_ok());
}

on_each_server!(what_becomes_a_repository_of_a_registry_leaves_nothing_behind_and_can_come_back);
async fn what_becomes_a_repository_of_a_registry_leaves_nothing_behind_and_can_come_back(server: &Server) {
    let stage = Stage::new(server, "helm-type").await;
    let before = stage.ready("x").await;
    let registry = json!({"spec": {"type": "oci", "url": "oci://127.0.0.1:1/charts"}});
    stage.helm.patch("x", &registry).await;
    stage.helm.wait("x", "nothing of it is left", is_bare).await;
    assert_eq!(stage.stored("x"), Vec::<String>::new());
    assert!(download(&before).await.is_err());
    let told = stage.helm.event("x", "GarbageCollectionSucceeded").await;
    assert_eq!(told["message"], "garbage collected artifacts for deleted resource");
    assert_eq!(stage.posted("x").len(), 1, "{:?}", stage.posted("x"));

    stage.helm.patch("x", &json!({"spec": {"type": "default", "url": stage.charts.url("x")}})).await;
    let after = stage.helm.ready("x").await;
    assert_eq!(after["status"]["artifact"]["revision"], before["status"]["artifact"]["revision"]);
    assert_eq!(after["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]));
    assert!(download(&after).await.is_ok());
}

on_each_server!(a_url_that_nobody_can_follow_stalls_until_it_is_another);
async fn a_url_that_nobody_can_follow_stalls_until_it_is_another(server: &Server) {
    let stage = Stage::new(server, "helm-url").await;
    let origin = &stage.charts.origin;
    let with_secret = origin.replace("://", "://user:h1dden@");
    let cases = [
        ("scheme", "oci://127.0.0.1:1/charts".to_owned(), "'oci' URL scheme cannot be used with 'default' HelmRepository type".to_owned()),
        ("escape", format!("{origin}/%zz"), format!("parse \"{origin}/%zz\": invalid URL escape \"%zz\"")),
        ("secret", format!("{with_secret}/%"), format!("parse \"{origin}/%\": invalid URL escape \"%\"")),
        ("port", "http://127.0.0.1:99999/x".to_owned(), "parse \"http://127.0.0.1:99999/x\": ".to_owned()),
        ("host", "http://".to_owned(), "parse \"http://\": ".to_owned()),
    ];
    for (name, url, _) in &cases {
        stage.helm.source(name, json!({"url": url})).await;
    }
    for (name, _, why) in &cases {
        let object = stage.helm.wait(name, "Stalled", |object| status_is(object, "Stalled", "True")).await;
        assert_eq!(condition(&object, "Stalled").unwrap()["reason"], "URLInvalid");
        assert!(condition(&object, "Reconciling").is_none() && object["status"]["observedGeneration"] == 1, "{object}");
        assert!(status_is(&object, "FetchFailed", "True") && status_is(&object, "Ready", "False"), "{object}");
        assert!(message(&object, "Ready").starts_with(&format!("invalid Helm repository URL: {why}")), "{object}");
    }
    assert!(stage.helm.try_source("ftp", json!({"url": "ftp://127.0.0.1/x"})).await.is_err());
    assert!(stage.charts.seen().is_empty());
    assert!(!stage.world.controller.log().contains("h1dden"));
    let versions = [&cases[0].0, &cases[1].0].map(|name| (*name, stage.helm.get(name)));
    for (name, object) in versions {
        let before = object.await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let after = stage.helm.get(name).await.unwrap();
        assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"], "{name} is tried again");
    }
    stage.charts.publish("good", &[("podx", "1.0.0")]);
    // An escape that is one is kept as it is.
    stage.charts.publish("a%20b", &[("podx", "1.0.0")]);
    stage.helm.patch("scheme", &json!({"spec": {"url": stage.charts.url("good")}})).await;
    stage.helm.patch("escape", &json!({"spec": {"url": stage.charts.url("a%20b")}})).await;
    for name in ["scheme", "escape"] {
        let object = stage.helm.ready(name).await;
        assert!(condition(&object, "Stalled").is_none(), "{object}");
    }
}
