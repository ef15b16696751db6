//! What an index costs that has not changed, and which servers are believed.

use headwater_testing::charts::{ChartRepository, Validators};
use serde_json::json;

use super::{SMALL, SMALL_HEX, Stage};
use crate::support::{
    artifact::{check, download},
    cluster::{Server, on_each_server},
    namespace::revision,
};

/// What a request must show of what a server said.
fn condition(validators: Validators) -> &'static str {
    if validators == Validators::Date { "if-modified-since" } else { "if-none-match" }
}

on_each_server!(an_unchanged_index_costs_a_header_after_a_restart_as_well);
async fn an_unchanged_index_costs_a_header_after_a_restart_as_well(server: &Server) {
    let mut stage = Stage::new(server, "helm-304").await;
    let mut repositories = Vec::new();
    for (name, validators) in [("tag", Validators::Tag), ("weak", Validators::Weak), ("date", Validators::Date)] {
        let charts = ChartRepository::start().await;
        charts.set_validators(validators);
        charts.publish("c", &[("podx", "1.0.0")]);
        stage.helm.source(name, json!({"url": charts.url("c")})).await;
        repositories.push((name, validators, charts));
    }
    let mut before = Vec::new();
    for (name, ..) in &repositories {
        before.push(stage.helm.ready(name).await);
    }
    let bytes: Vec<_> = repositories.iter().map(|(.., charts)| charts.bytes("c/index.yaml")).collect();
    for restarted in [false, true] {
        if restarted {
            stage.world.controller.stop().await;
            stage.world.controller.start().await;
        }
        for (((name, validators, charts), before), bytes) in repositories.iter().zip(&before).zip(&bytes) {
            let after = stage.helm.poke(name).await;
            assert_eq!(after["status"]["artifact"], before["status"]["artifact"], "{name}");
            assert_eq!(charts.bytes("c/index.yaml"), *bytes, "{name}, restarted: {restarted}");
            assert!(charts.seen().last().unwrap().header(condition(*validators)).is_some(), "{name}");
        }
    }
    for ((name, _, charts), before) in repositories.iter().zip(&before) {
        assert_eq!(charts.requests("c/index.yaml"), 3, "{name}");
        charts.publish("c", &[("podx", "1.0.0"), ("podx", "1.1.0")]);
        let after = stage.helm.poke(name).await;
        assert_ne!(revision(&after), revision(before), "{name}");
        check(&after, &download(&after).await.unwrap());
    }
}

on_each_server!(another_url_or_a_lost_artifact_is_asked_for_without_conditions);
async fn another_url_or_a_lost_artifact_is_asked_for_without_conditions(server: &Server) {
    let stage = Stage::new(server, "helm-200").await;
    stage.charts.set_validators(Validators::Tag);
    for path in ["x/index.yaml", "y/index.yaml"] {
        stage.charts.put(path, SMALL);
    }
    stage.source("x", json!({})).await;
    let before = stage.helm.ready("x").await;
    stage.helm.patch("x", &json!({"spec": {"url": stage.charts.url("y")}})).await;
    let after = stage.helm.ready("x").await;
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(stage.charts.bytes("y/index.yaml"), SMALL.len());
    stage.helm.poke("x").await;
    assert_eq!((stage.charts.requests("y/index.yaml"), stage.charts.bytes("y/index.yaml")), (2, SMALL.len()));
    let asked = stage.charts.seen();
    let conditions: Vec<_> = asked.iter().map(|seen| seen.header("if-none-match").is_some()).collect();
    assert_eq!(conditions, [false, false, true]);

    let path = stage.world.controller.storage.join(before["status"]["artifact"]["path"].as_str().unwrap());
    std::fs::remove_file(path).unwrap();
    let again = stage.helm.poke("x").await;
    check(&again, &download(&again).await.unwrap());
    assert_eq!(stage.charts.bytes("y/index.yaml"), 2 * SMALL.len());
}

on_each_server!(the_same_contents_are_no_change_and_other_contents_are_one_whatever_the_server_says);
async fn the_same_contents_are_no_change_and_other_contents_are_one_whatever_the_server_says(server: &Server) {
    let stage = Stage::new(server, "helm-lie").await;
    let silent = stage.ready("silent").await;
    let same = stage.helm.poke("silent").await;
    assert_eq!(same["status"]["artifact"], silent["status"]["artifact"]);
    assert_eq!(stage.charts.requests("silent/index.yaml"), 2);
    stage.helm.event("silent", "ArtifactUpToDate").await;

    stage.charts.set_validators(Validators::Lie);
    let lied = stage.ready("lies").await;
    stage.charts.publish("lies", &[("podx", "2.0.0")]);
    let after = stage.helm.poke("lies").await;
    assert_ne!(revision(&after), revision(&lied));
    check(&after, &download(&after).await.unwrap());
    assert!(stage.charts.seen().last().unwrap().header("if-none-match").is_some());
}

on_each_server!(a_compressed_index_has_the_revision_of_what_is_in_it);
async fn a_compressed_index_has_the_revision_of_what_is_in_it(server: &Server) {
    let stage = Stage::new(server, "helm-gzip").await;
    stage.charts.set_validators(Validators::Tag);
    stage.charts.compress("x/index.yaml");
    stage.charts.put("x/index.yaml", SMALL);
    stage.source("x", json!({})).await;
    let object = stage.helm.ready("x").await;
    assert_eq!(revision(&object), format!("sha256:{SMALL_HEX}"));
    assert_eq!(download(&object).await.unwrap(), include_bytes!("small.json"));
    let bytes = stage.charts.bytes("x/index.yaml");
    assert!((1..SMALL.len()).contains(&bytes), "{bytes} bytes");
    stage.helm.poke("x").await;
    assert_eq!((stage.charts.requests("x/index.yaml"), stage.charts.bytes("x/index.yaml")), (2, bytes));
}
