//! Indexes that are too much, and the memory and the time that they cost a controller.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use headwater_testing::charts::Answer;
use serde_json::json;

use super::{FETCH, LOAD, Stage};
use crate::support::{
    cluster::{Server, embedded, on_each_server},
    memory::{peak, reset_peak},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_index_without_end_costs_no_more_than_the_limit_and_hardly_any_memory() {
    let stage = Stage::new(embedded(), "helm-endless").await;
    stage.charts.answer("x/index.yaml", Answer::Endless("  - name: podx\n    version: 1.0.0\n"));
    // What the start and the first index take is not counted.
    stage.ready("first").await;
    reset_peak(&stage.world.controller);
    let (before, start) = (peak(&stage.world.controller), Instant::now());
    stage.source("x", json!({"timeout": "30s"})).await;
    let (reason, text) = stage.refused("x").await;
    assert!(
        reason == "Failed" && text.starts_with(&format!("{FETCH}index exceeds the maximum index file size of 52428800 bytes")),
        "{text}"
    );
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    // There may have been another attempt by now.
    let (requests, bytes) = (stage.charts.requests("x/index.yaml"), stage.charts.bytes("x/index.yaml"));
    assert!(bytes < requests * (64 << 20), "{bytes} bytes in {requests} requests");
    let grown = peak(&stage.world.controller) - before;
    assert!(grown < 24 << 20, "{grown} bytes of memory");
}

on_each_server!(too_many_versions_or_aliases_or_levels_are_refused_in_little_time_and_memory);
async fn too_many_versions_or_aliases_or_levels_are_refused_in_little_time_and_memory(server: &Server) {
    let stage = Stage::new(server, "helm-many").await;
    let versions = vec!["{}"; 1_000_001].join(",");
    let mut bomb = "serverInfo:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let names = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(bomb, "  a{level}: &a{level} [{names}]").unwrap();
    }
    let (text, copies) = ("x".repeat(1 << 20), ", *x".repeat(60));
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let aliases = "error converting YAML to JSON: yaml: document contains excessive aliasing";
    let deep = "index is nested deeper than 100 levels";
    let cases = [
        ("versions", format!(r#"{{"apiVersion":"v1","entries":{{"a":[{versions}]}}}}"#), "index has more than 1000000 chart versions"),
        ("aliases", format!("apiVersion: v1\n{bomb}"), aliases),
        ("text", format!("apiVersion: v1\nentries:\n  a:\n  - {{name: a, version: 1.0.0, keywords: [&x {text}{copies}]}}\n"), aliases),
        ("deep", format!("apiVersion: v1\nserverInfo: {{a: {open}{close}}}\n"), deep),
        ("deep-json", format!(r#"{{"apiVersion":"v1","serverInfo":{{"a":{open}{close}}}}}"#), deep),
        ("unclosed", format!(r#"{{"apiVersion":"v1","serverInfo":{{"a":{open}"#), deep),
    ];
    for (name, index, _) in &cases {
        stage.charts.put(&format!("{name}/index.yaml"), index.clone());
    }
    reset_peak(&stage.world.controller);
    let (before, start) = (peak(&stage.world.controller), Instant::now());
    for (name, ..) in &cases {
        stage.source(name, json!({})).await;
    }
    for (name, _, why) in &cases {
        let (reason, text) = stage.refused(name).await;
        // Another attempt costs as much again.
        stage.helm.patch(name, &json!({"spec": {"suspend": true}})).await;
        assert_eq!((reason.as_str(), text.as_str()), ("IndexationFailed", format!("{LOAD}{why}").as_str()), "{name}");
    }
    let grown = peak(&stage.world.controller) - before;
    assert!(grown < 160 << 20, "{grown} bytes of memory");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
