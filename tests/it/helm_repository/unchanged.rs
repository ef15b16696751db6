//! What an index costs that has not changed, and which servers are believed.

use headwater_testing::charts::Validators;
use serde_json::json;

use super::{SMALL, Stage};
use crate::support::{
    artifact::{check, download},
    cluster::{Server, on_each_server},
    namespace::revision,
};

on_each_server!(an_unchanged_index_costs_a_header_after_a_restart_as_well);
async fn an_unchanged_index_costs_a_header_after_a_restart_as_well(server: &Server) {
    let mut stage = Stage::new(server, "helm-304").await;
    stage.charts.set_validators(Validators::Tag);
    let before = stage.ready("x").await;
    let bytes = stage.charts.bytes("x/index.yaml");
    for restarted in [false, true] {
        if restarted {
            stage.world.controller.stop().await;
            stage.world.controller.start().await;
        }
        let after = stage.helm.poke("x").await;
        assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
        assert_eq!(stage.charts.bytes("x/index.yaml"), bytes, "restarted: {restarted}");
        assert!(stage.charts.seen().last().unwrap().header("if-none-match").is_some());
    }
    assert_eq!(stage.charts.requests("x/index.yaml"), 3);
    stage.charts.publish("x", &[("podx", "1.0.0"), ("podx", "1.1.0")]);
    let after = stage.helm.poke("x").await;
    assert_ne!(revision(&after), revision(&before));
    check(&after, &download(&after).await.unwrap());
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
