//! The life of a HelmChart beside its builds: events, suspension, restarts, lost files, deletion.

use headwater_testing::{PATIENCE, eventually};
use serde_json::json;

use super::{Set, dependencies, dependency, file, folder};
use crate::support::{
    artifact::download,
    cluster::{Server, on_each_server},
    namespace::{message, revision},
};

on_each_server!(new_charts_and_failures_are_told_by_event_and_by_post);
async fn new_charts_and_failures_are_told_by_event_and_by_post(server: &Server) {
    let set = Set::new(server, "chart-events").await;
    set.web.publish("r", &[("podx", "1.0.0")]);
    set.repository("h", "r").await;
    set.git(&folder("charts/podx", "podx", "0.3.0", "")).await;
    set.take("pulled", &json!({})).await;
    set.take_path("packaged", "charts/podx", &json!({})).await;
    set.take("stalled", &json!({"version": "9.x"})).await;
    let why =
        "invalid chart reference: failed to get chart version for remote reference: no 'podx' chart with version matching '9.x' found";
    let cases = [
        ("pulled", "ChartPullSucceeded", "pulled 'podx' chart with version '1.0.0'", "Normal", "info"),
        ("packaged", "ChartPackageSucceeded", "packaged 'podx' chart with version '0.3.0'", "Normal", "info"),
        ("stalled", "InvalidChartReference", why, "Warning", "error"),
    ];
    for (name, reason, words, kind, severity) in cases {
        let event = set.charts.event(name, reason).await;
        assert_eq!((&event["message"], &event["type"]), (&json!(words), &json!(kind)));
        assert_eq!(event["involvedObject"]["kind"], "HelmChart");
        let posted = eventually(PATIENCE, async || {
            let posted = set.world.controller.events.posted();
            let about = |event: &&serde_json::Value| event["reason"] == reason && event["involvedObject"]["name"] == name;
            posted.iter().find(about).cloned().ok_or_else(|| format!("no {reason} of {name} among {posted:?}"))
        })
        .await;
        assert_eq!((&posted["message"], &posted["severity"]), (&json!(words), &json!(severity)));
        assert_eq!(posted["involvedObject"]["kind"], "HelmChart");
        assert_eq!(posted["reportingController"], "source-controller");
        if kind == "Normal" {
            let artifact = set.charts.ready(name).await["status"]["artifact"].clone();
            let about = json!({
                "source.toolkit.fluxcd.io/revision": artifact["revision"],
                "source.toolkit.fluxcd.io/digest": artifact["digest"],
            });
            assert_eq!(posted["metadata"], about);
            assert_eq!(event["metadata"]["annotations"], about);
        }
    }
    set.charts.poke("pulled").await;
    let event = set.charts.event("pulled", "ArtifactUpToDate").await;
    assert_eq!(event["message"], "artifact up-to-date with remote revision: '1.0.0'");
    let posted = set.world.controller.events.posted();
    assert!(!posted.iter().any(|event| event["reason"] == "ArtifactUpToDate"), "what is only traced is not posted");
}

on_each_server!(a_suspended_chart_is_left_alone_until_it_is_resumed);
async fn a_suspended_chart_is_left_alone_until_it_is_resumed(server: &Server) {
    let set = Set::new(server, "chart-suspend").await;
    set.web.publish("r", &[("podx", "1.0.0")]);
    set.repository("h", "r").await;
    set.take("c", &json!({})).await;
    let before = set.charts.ready_at("c", "1.0.0").await;
    set.charts.patch("c", &json!({"spec": {"suspend": true}})).await;
    set.take("never", &json!({"suspend": true})).await;
    set.web.publish("r", &[("podx", "1.0.0"), ("podx", "1.1.0")]);
    set.repositories.poke("h").await;
    // Another chart that is built afterwards shows that the controller has had its chance.
    set.take("other", &json!({})).await;
    set.charts.ready_at("other", "1.1.0").await;
    assert_eq!(set.charts.get("c").await.unwrap()["status"]["artifact"], before["status"]["artifact"]);
    assert!(set.charts.get("never").await.unwrap()["status"]["artifact"].is_null());
    for name in ["c", "never"] {
        set.charts.patch(name, &json!({"spec": {"suspend": false}})).await;
        set.charts.ready_at(name, "1.1.0").await;
    }
}

on_each_server!(a_deleted_chart_goes_with_its_files);
async fn a_deleted_chart_goes_with_its_files(server: &Server) {
    let set = Set::new(server, "chart-delete").await;
    set.web.publish("r", &[("podx", "1.0.0")]);
    set.repository("h", "r").await;
    for name in ["c", "stays"] {
        set.take(name, &json!({})).await;
    }
    let (object, stays) = (set.charts.ready("c").await, set.charts.ready("stays").await);
    set.charts.delete("c").await;
    eventually(PATIENCE, async || match set.charts.get("c").await {
        None => Ok(()),
        Some(object) => Err(format!("still there: {}", object["metadata"])),
    })
    .await;
    let prefix = format!("helmchart/{}/c/", set.charts.name);
    let left: Vec<_> = set.world.controller.stored().into_iter().filter(|path| path.starts_with(&prefix)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(download(&object).await.is_err());
    download(&stays).await.unwrap();
    let event = set.charts.event("c", "GarbageCollectionSucceeded").await;
    assert_eq!(event["message"], "garbage collected artifacts for deleted resource");
}

on_each_server!(a_restart_asks_nobody_for_settled_charts);
async fn a_restart_asks_nobody_for_settled_charts(server: &Server) {
    let mut set = Set::new(server, "chart-restart").await;
    set.web.publish("r", &[("podx", "1.0.0"), ("later", "1.0.0")]);
    set.repository("h", "r").await;
    let needs = dependencies(&[dependency("podx", "1.x", &set.web.url("r"))]);
    set.git(&[folder("app", "app", "0.3.0", &needs), vec![file("v.yaml", "replicas: 2\n")]].concat()).await;
    set.take("pulled", &json!({})).await;
    set.take("merged", &json!({"valuesFiles": ["none.yaml"], "ignoreMissingValuesFiles": true, "version": "9.x"})).await;
    set.take_path("packaged", "app", &json!({"valuesFiles": ["v.yaml"]})).await;
    let settled = ["pulled", "packaged"];
    let mut before = Vec::new();
    for name in settled {
        before.push(set.charts.ready(name).await);
    }
    let stalled = set.charts.failed("merged", "InvalidChartReference").await;
    let asked = (set.web.seen().len(), set.world.git.seen().len());
    set.world.controller.stop().await;
    set.world.controller.start().await;
    // A chart that is new shows that the controller is at work again.
    set.take("new", &json!({"chart": "later"})).await;
    set.charts.ready("new").await;
    for (name, before) in settled.into_iter().zip(before) {
        let after = set.charts.get(name).await.unwrap();
        assert_eq!(after["status"], before["status"], "{name}");
        download(&after).await.unwrap();
    }
    let after = set.charts.failed("merged", "InvalidChartReference").await;
    assert_eq!(message(&after, "Stalled"), message(&stalled, "Stalled"));
    let seen: Vec<_> = set.web.seen().split_off(asked.0).into_iter().map(|seen| seen.path).collect();
    assert_eq!(seen, ["r/later-1.0.0.tgz"]);
    assert_eq!(set.world.git.seen().len(), asked.1);
}

on_each_server!(what_changes_while_nobody_watches_is_seen_after_the_start);
async fn what_changes_while_nobody_watches_is_seen_after_the_start(server: &Server) {
    let mut set = Set::new(server, "chart-missed").await;
    set.web.publish("r", &[("podx", "1.0.0"), ("other", "3.0.0")]);
    set.repository("h", "r").await;
    for name in ["lost", "changed", "deleted"] {
        set.take(name, &json!({})).await;
    }
    let lost = set.charts.ready("lost").await;
    set.charts.ready("changed").await;
    set.charts.ready("deleted").await;
    set.world.controller.stop().await;
    let path = lost["status"]["artifact"]["path"].as_str().unwrap();
    std::fs::remove_file(set.world.controller.storage.join(path)).unwrap();
    set.web.publish("r", &[("podx", "1.0.0"), ("podx", "2.0.0")]);
    set.charts.patch("changed", &json!({"spec": {"chart": "other"}})).await;
    set.charts.delete("deleted").await;
    set.world.controller.start().await;
    set.charts.ready_at("changed", "3.0.0").await;
    eventually(PATIENCE, async || download(&set.charts.get("lost").await.unwrap()).await.map(drop)).await;
    let again = set.charts.ready("lost").await;
    assert_eq!(revision(&again), "1.0.0", "the index of before is the one that is stored");
    assert_eq!(again["status"]["artifact"]["digest"], lost["status"]["artifact"]["digest"]);
    eventually(PATIENCE, async || match set.charts.get("deleted").await {
        None => Ok(()),
        Some(object) => Err(format!("still there: {}", object["metadata"])),
    })
    .await;
}
