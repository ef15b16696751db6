//! The process from outside: health, metrics, logs and its command line.

use headwater_testing::command;
use serde_json::{Value, json};

use crate::support::{
    cluster::{Server, on_each_server},
    world::World,
};

on_each_server!(health_metrics_and_logs_are_those_that_operators_know);
async fn health_metrics_and_logs_are_those_that_operators_know(server: &Server) {
    let world = World::new(server, "process").await;
    world.git.repository("r.git").commit(&[("a.yaml", "a: 1\n")]);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    world.space.ready("x").await;
    for path in ["healthz", "readyz"] {
        let answer = reqwest::get(format!("{}/{path}", world.controller.health)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    let metrics = reqwest::get(format!("{}/metrics", world.controller.metrics)).await.unwrap().text().await.unwrap();
    for name in ["gotk_reconcile_duration_seconds", "controller_runtime_reconcile_total", "process_cpu_seconds_total"] {
        assert!(metrics.contains(name), "{name} is not among the metrics:\n{metrics}");
    }
    let log = world.controller.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert!(line["level"].is_string() && line["ts"].is_string() && line["msg"].is_string(), "{line}");
    }
    let told = log.lines().any(|line| line.contains("\"controllerKind\":\"GitRepository\"") && line.contains("\"name\":\"x\""));
    assert!(told, "no line tells of the object:\n{log}");
}

on_each_server!(an_object_without_the_label_is_not_touched);
async fn an_object_without_the_label_is_not_touched(server: &Server) {
    let world = World::new(server, "selector").await;
    world.git.repository("r.git").commit(&[("a.yaml", "a: 1\n")]);
    let spec = json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}, "suspend": true});
    world.space.source("other", spec.clone()).await;
    let unlabel = json!({"metadata": {"labels": null}, "spec": {"suspend": false}});
    world.space.patch("other", &unlabel).await;
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    world.space.ready("x").await;
    let other = world.space.get("other").await.unwrap();
    assert!(other["status"]["artifact"].is_null(), "{other}");
}

#[test]
fn an_unknown_flag_is_refused_with_a_word_on_usage() {
    let output = command(env!("CARGO_BIN_EXE_headwater")).args(["controller", "--no-such-flag"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--no-such-flag"));
}

#[test]
fn arguments_that_start_with_a_flag_mean_the_controller() {
    let output = command(env!("CARGO_BIN_EXE_headwater"))
        .args(["--watch-all-namespaces=true", "--storage-path=/proc/none", "--no-such-flag"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("unexpected argument '--no-such-flag'") && error.contains("headwater controller"), "{error}");
}
