//! Sources that are not there, not there yet, without an artifact, or there no more.

use axum::body::Bytes;
use headwater_testing::{PATIENCE, charts::Answer, eventually};
use serde_json::json;

use super::{Fate, Set, folder};
use crate::support::{
    artifact::download,
    cluster::{Server, on_each_server},
    namespace::{condition, message},
};

/// Nothing is tried again within the time of a test.
const PATIENT: &[&str] = &["--min-retry-delay=1h", "--max-retry-delay=1h", "--requeue-dependency=1h"];

on_each_server!(a_chart_waits_for_its_source_and_is_built_when_that_is_there);
async fn a_chart_waits_for_its_source_and_is_built_when_that_is_there(server: &Server) {
    let set = Set::with(server, "chart-later", PATIENT).await;
    set.take("helm", &json!({})).await;
    set.take_path("git", "charts/podx", &json!({})).await;
    for (name, kind, source) in [("helm", "HelmRepository", "h"), ("git", "GitRepository", "g")] {
        let words = format!("failed to get source: {kind}.source.toolkit.fluxcd.io \"{source}\" not found");
        let object = set.fails(name, "SourceUnavailable", Fate::Retries, &words).await;
        assert_eq!(message(&object, "FetchFailed"), words);
    }
    set.web.publish("r", &[("podx", "1.0.0")]);
    set.repository("h", "r").await;
    set.git(&folder("charts/podx", "podx", "0.3.0", "")).await;
    set.charts.ready_at("helm", "1.0.0").await;
    set.charts.ready_at("git", "0.3.0").await;
}

on_each_server!(a_chart_waits_for_the_first_artifact_of_its_source);
async fn a_chart_waits_for_the_first_artifact_of_its_source(server: &Server) {
    let set = Set::with(server, "chart-empty", PATIENT).await;
    set.web.publish("r", &[("podx", "1.0.0")]);
    set.web.answer("r/index.yaml", Answer::Status(503, Bytes::new()));
    set.repositories.source("h", json!({"url": set.web.url("r")})).await;
    set.repositories.wait("h", "failed", |object| condition(object, "FetchFailed").is_some()).await;
    set.take("c", &json!({})).await;
    let words = "no artifact available for HelmRepository source 'h'";
    set.fails("c", "NoSourceArtifact", Fate::Retries, words).await;
    assert_eq!(set.charts.event("c", "NoSourceArtifact").await["message"], words);
    set.web.behave("r/index.yaml");
    set.repositories.poke("h").await;
    set.charts.ready_at("c", "1.0.0").await;
}

on_each_server!(a_chart_outlives_its_source);
async fn a_chart_outlives_its_source(server: &Server) {
    let set = Set::new(server, "chart-orphan").await;
    set.web.publish("r", &[("podx", "1.0.0")]);
    set.repository("h", "r").await;
    set.take("c", &json!({})).await;
    let before = set.charts.ready_at("c", "1.0.0").await;
    set.repositories.delete("h").await;
    eventually(PATIENCE, async || match set.repositories.get("h").await {
        None => Ok(()),
        Some(object) => Err(format!("still there: {}", object["metadata"])),
    })
    .await;
    set.charts.request("c").await;
    let words = "failed to get source: HelmRepository.source.toolkit.fluxcd.io \"h\" not found";
    let after = set.fails("c", "SourceUnavailable", Fate::Retries, words).await;
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    download(&after).await.unwrap();
    set.repository("h", "r").await;
    let again = set.charts.ready("c").await;
    assert_eq!(again["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(set.web.requests("r/podx-1.0.0.tgz"), 1);
}

on_each_server!(a_bucket_that_is_not_there_is_missed_like_any_source);
async fn a_bucket_that_is_not_there_is_missed_like_any_source(server: &Server) {
    let set = Set::new(server, "chart-bucket").await;
    set.take("c", &json!({"sourceRef": {"kind": "Bucket", "name": "b"}})).await;
    let words = "failed to get source: Bucket.source.toolkit.fluxcd.io \"b\" not found";
    set.fails("c", "SourceUnavailable", Fate::Retries, words).await;
}
