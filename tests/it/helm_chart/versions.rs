//! Which version of a chart is taken from a repository, and when another is.

use headwater_testing::{
    PATIENCE,
    charts::{Answer, chart},
    eventually,
};
use serde_json::{Value, json};

use super::{Fate, NO_VERSION, Set};
use crate::support::{
    artifact::{check, download},
    cluster::{Server, on_each_server},
    namespace::{message, revision},
};

const PUBLISHED: &[(&str, &str)] = &[("podx", "1.0.0"), ("podx", "1.1.0"), ("podx", "2.0.0-rc.1"), ("other", "0.1.0")];

on_each_server!(the_newest_version_in_the_range_becomes_the_artifact);
async fn the_newest_version_in_the_range_becomes_the_artifact(server: &Server) {
    let set = Set::new(server, "chart-versions").await;
    set.web.publish("r", PUBLISHED);
    let repository = set.repository("h", "r").await;
    let cases = [
        ("any", json!({}), "1.1.0"),
        ("star", json!({"version": "*"}), "1.1.0"),
        ("range", json!({"version": ">=1.0.0 <1.1.0"}), "1.0.0"),
        ("wild", json!({"version": "1.x"}), "1.1.0"),
        ("exact", json!({"version": "1.0.0"}), "1.0.0"),
        ("before", json!({"version": ">=1.0.0-0"}), "2.0.0-rc.1"),
        ("exact-before", json!({"version": "2.0.0-rc.1"}), "2.0.0-rc.1"),
    ];
    for (name, spec, _) in &cases {
        set.take(name, spec).await;
    }
    for (name, _, version) in &cases {
        let object = set.charts.ready_at(name, version).await;
        let told = format!("pulled 'podx' chart with version '{version}'");
        assert_eq!((message(&object, "Ready"), message(&object, "ArtifactInStorage")), (told.as_str(), told.as_str()));
        assert_eq!(object["status"]["artifact"]["path"], format!("helmchart/{}/{name}/podx-{version}.tgz", set.charts.name));
        assert_eq!(object["status"]["observedChartName"], "podx");
        assert_eq!(object["status"]["observedSourceArtifactRevision"], *revision(&repository));
        assert_eq!(object["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]));
        let bytes = download(&object).await.unwrap();
        check(&object, &bytes);
        assert!(bytes == chart("podx", version, &[]), "{name} is not what the repository has");
        let latest = reqwest::get(object["status"]["url"].as_str().unwrap()).await.unwrap();
        assert!(latest.url().path().ends_with(&format!("/{name}/latest.tar.gz")), "{}", latest.url());
        assert!(latest.bytes().await.unwrap() == bytes, "the link of {name} leads elsewhere");
    }
}

on_each_server!(what_no_repository_can_have_stalls);
async fn what_no_repository_can_have_stalls(server: &Server) {
    let set = Set::new(server, "chart-none").await;
    set.web.publish("r", PUBLISHED);
    set.repository("h", "r").await;
    let valid = "a valid name must be lower case letters and numbers and MAY be separated with dashes (-), slashes (/) or periods (.)";
    let cases = [
        ("chart", json!({"chart": "nothing"}), format!("{NO_VERSION}: no chart name found")),
        ("version", json!({"version": "9.x"}), format!("{NO_VERSION}: no 'podx' chart with version matching '9.x' found")),
        ("exact", json!({"version": "1.0.7"}), format!("{NO_VERSION}: no 'podx' chart with version matching '1.0.7' found")),
        ("range", json!({"version": "not a range"}), format!("{NO_VERSION}: improper constraint: \"not a range\"")),
        ("upper", json!({"chart": "PodX"}), format!("invalid chart name 'PodX': {valid}")),
    ];
    for (name, spec, _) in &cases {
        set.take(name, spec).await;
    }
    for (name, _, why) in &cases {
        let words = format!("invalid chart reference: {why}");
        let object = set.fails(name, "InvalidChartReference", Fate::Stalls, &words).await;
        assert!(object["status"]["artifact"].is_null());
        assert_eq!(set.charts.event(name, "InvalidChartReference").await["message"], *words);
    }
    assert_eq!(set.web.requests("r/index.yaml"), 1);
}

on_each_server!(a_new_index_brings_a_new_version_at_once_and_changes_nothing_else);
async fn a_new_index_brings_a_new_version_at_once_and_changes_nothing_else(server: &Server) {
    let set = Set::new(server, "chart-trigger").await;
    set.web.publish("r", PUBLISHED);
    set.repository("h", "r").await;
    let cases = [("moving", "1.x"), ("pinned", "1.0.0"), ("awaited", "9.x")];
    for (name, version) in cases {
        set.take(name, &json!({"version": version})).await;
    }
    set.take("other", &json!({"chart": "other"})).await;
    set.charts.ready_at("moving", "1.1.0").await;
    let pinned = set.charts.ready_at("pinned", "1.0.0").await;
    let other = set.charts.ready_at("other", "0.1.0").await;
    set.charts.failed("awaited", "InvalidChartReference").await;
    let published = [PUBLISHED, &[("podx", "1.5.0"), ("podx", "9.1.0")]].concat();
    set.web.publish("r", &published);
    let index = set.repositories.poke("h").await;
    // All intervals are an hour, so that nothing but the new index can be what moves them.
    set.charts.ready_at("moving", "1.5.0").await;
    set.charts.ready_at("awaited", "9.1.0").await;
    for (name, before) in [("pinned", pinned), ("other", other)] {
        let after = set
            .charts
            .wait(name, "the new index is observed", |object| object["status"]["observedSourceArtifactRevision"] == *revision(&index))
            .await;
        assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    }
    for chart in ["podx-1.0.0", "podx-1.1.0", "podx-1.5.0", "podx-9.1.0", "other-0.1.0"] {
        assert_eq!(set.web.requests(&format!("r/{chart}.tgz")), 1, "{chart}");
    }
    assert_eq!(set.web.requests("r/index.yaml"), 2);
}

on_each_server!(a_changed_spec_brings_another_chart_and_a_changed_interval_none);
async fn a_changed_spec_brings_another_chart_and_a_changed_interval_none(server: &Server) {
    let set = Set::new(server, "chart-spec").await;
    set.web.publish("r", PUBLISHED);
    set.repository("h", "r").await;
    set.take("c", &json!({"version": "1.0.0"})).await;
    let before = set.charts.ready_at("c", "1.0.0").await;
    let patched = async |spec: Value| set.charts.patch("c", &json!({"spec": spec})).await;
    patched(json!({"interval": "30m"})).await;
    let after = set.charts.ready("c").await;
    assert_eq!(after["status"]["observedGeneration"], 2);
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(set.web.requests("r/podx-1.0.0.tgz"), 1);
    patched(json!({"version": "1.1.0"})).await;
    let before = set.charts.ready_at("c", "1.1.0").await;
    patched(json!({"version": "9.x"})).await;
    let words = format!("invalid chart reference: {NO_VERSION}: no 'podx' chart with version matching '9.x' found");
    let after = set.fails("c", "InvalidChartReference", Fate::Stalls, &words).await;
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"], "what is there stays");
    download(&after).await.unwrap();
    patched(json!({"version": "1.1.0"})).await;
    let after = set.charts.ready_at("c", "1.1.0").await;
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    patched(json!({"chart": "other", "version": "*"})).await;
    let after = set.charts.ready_at("c", "0.1.0").await;
    assert_eq!(after["status"]["observedChartName"], "other");
    assert!(set.world.controller.stored().iter().any(|path| path.ends_with("/c/other-0.1.0.tgz")));
}

on_each_server!(a_new_index_that_comes_while_a_chart_is_built_is_not_missed);
async fn a_new_index_that_comes_while_a_chart_is_built_is_not_missed(server: &Server) {
    // Nothing is tried again within the time of a test.
    let set = Set::with(server, "chart-meanwhile", &["--min-retry-delay=1h", "--max-retry-delay=1h"]).await;
    set.web.publish("r", PUBLISHED);
    set.web.answer("r/podx-1.1.0.tgz", Answer::Hang);
    set.repositories.source("h", json!({"url": set.web.url("r"), "timeout": "2s"})).await;
    set.repositories.ready("h").await;
    set.take("c", &json!({})).await;
    let asked = async || (set.web.requests("r/podx-1.1.0.tgz") > 0).then_some(()).ok_or_else(|| "nobody asks".to_owned());
    eventually(PATIENCE, asked).await;
    set.web.publish("r", &[PUBLISHED, &[("podx", "1.5.0")]].concat());
    set.repositories.poke("h").await;
    set.charts.ready_at("c", "1.5.0").await;
    assert_eq!(set.web.requests("r/podx-1.1.0.tgz"), 1);
}
