//! `valuesFiles`: what is merged, what the chart is called then, and what it says.

use headwater_testing::charts::{chart, index};
use serde_json::json;

use super::{Fate, Set, TEMPLATE, VALUES};
use crate::support::{
    artifact::{download, listing},
    cluster::{Server, on_each_server},
    namespace::{condition, message},
};

const CHART: &str = "apiVersion: v2\nname: podx\nversion: 1.0.0\nappVersion: \"1\"\ndescription: a chart\n";
const FILES: &[(&str, &str)] = &[
    ("Chart.yaml", CHART),
    ("values.yaml", VALUES),
    ("templates/cm.yaml", TEMPLATE),
    ("prod.yaml", "# a comment\nreplicas: 3\nextra: {a: 1, b: [1, 2.5, yes]}\n"),
    ("empty.yaml", ""),
];

async fn with_podx(set: &Set) -> Vec<u8> {
    let archive = chart("podx", "1.0.0", FILES);
    set.web.put("r/podx-1.0.0.tgz", archive.clone());
    set.web.put("r/index.yaml", index(&[("podx", "1.0.0", &archive)]));
    set.repository("h", "r").await;
    archive
}

on_each_server!(values_files_of_the_chart_are_merged_into_its_values);
async fn values_files_of_the_chart_are_merged_into_its_values(server: &Server) {
    let set = Set::new(server, "chart-values").await;
    with_podx(&set).await;
    let merged = "extra:\n  a: 1\n  b:\n  - 1\n  - 2.5\n  - true\nimage: one\nreplicas: 3\n";
    let cases = [
        ("both", json!({"valuesFiles": ["values.yaml", "prod.yaml"]}), "[values.yaml prod.yaml]", merged),
        ("empty", json!({"valuesFiles": ["empty.yaml"]}), "[empty.yaml]", ""),
    ];
    for (name, spec, ..) in &cases {
        set.take(name, spec).await;
    }
    for (name, _, files, values) in &cases {
        let object = set.charts.ready_at(name, "1.0.0+1").await;
        let told = format!("packaged 'podx' chart with version '1.0.0+1' and merged values files {files}");
        assert_eq!(message(&object, "Ready"), told);
        assert_eq!(condition(&object, "Ready").unwrap()["reason"], "ChartPackageSucceeded");
        assert!(object["status"]["observedValuesFiles"].is_null(), "{}", object["status"]);
        let listing = listing(&object).await;
        let text = |path: &str| std::str::from_utf8(&listing[path].content).unwrap();
        assert_eq!(text("podx/values.yaml"), *values, "{name}");
        let metadata = "apiVersion: v2\nappVersion: \"1\"\ndescription: a chart\nname: podx\nversion: 1.0.0+1\n";
        assert_eq!(text("podx/Chart.yaml"), metadata, "{name}");
        assert_eq!(listing.len(), FILES.len());
        for (path, content) in &FILES[2..] {
            assert_eq!(text(&format!("podx/{path}")), *content);
        }
    }
}

on_each_server!(values_files_that_change_nothing_leave_the_chart_as_it_is);
async fn values_files_that_change_nothing_leave_the_chart_as_it_is(server: &Server) {
    let set = Set::new(server, "chart-values-own").await;
    let archive = with_podx(&set).await;
    for (name, files) in [("plain", json!([])), ("own", json!(["values.yaml"])), ("dotted", json!(["./values.yaml"]))] {
        set.take(name, &json!({"valuesFiles": files})).await;
        let object = set.charts.ready_at(name, "1.0.0").await;
        assert_eq!(message(&object, "Ready"), "pulled 'podx' chart with version '1.0.0'");
        assert!(download(&object).await.unwrap() == archive, "{name} was made anew");
    }
}

on_each_server!(missing_values_files_may_be_passed_over_and_are_told);
async fn missing_values_files_may_be_passed_over_and_are_told(server: &Server) {
    let set = Set::new(server, "chart-values-ignore").await;
    with_podx(&set).await;
    let list = json!(["values.yaml", "none.yaml", "prod.yaml"]);
    set.take("some", &json!({"valuesFiles": list, "ignoreMissingValuesFiles": true})).await;
    set.take("all", &json!({"valuesFiles": ["none.yaml", "no.yaml"], "ignoreMissingValuesFiles": true})).await;
    set.take("later", &json!({"valuesFiles": ["values.yaml", "none.yaml"]})).await;
    let object = set.charts.ready_at("some", "1.0.0+1").await;
    assert_eq!(object["status"]["observedValuesFiles"], json!(["values.yaml", "prod.yaml"]));
    let told = "packaged 'podx' chart with version '1.0.0+1' and merged values files [values.yaml prod.yaml]";
    assert_eq!(message(&object, "Ready"), told);
    let object = set.charts.ready_at("all", "1.0.0+1").await;
    assert_eq!(message(&object, "Ready"), "packaged 'podx' chart with version '1.0.0+1'");
    assert!(object["status"]["observedValuesFiles"].is_null(), "{}", object["status"]);
    assert_eq!(listing(&object).await["podx/values.yaml"].content, b"");
    let words = "values files merge error: failed to merge chart values: no values file found at path 'none.yaml'";
    set.fails("later", "ValuesFilesError", Fate::Stalls, words).await;
    set.charts.patch("later", &json!({"spec": {"ignoreMissingValuesFiles": true}})).await;
    let before = set.charts.ready_at("later", "1.0.0+2").await;
    assert_eq!(before["status"]["observedValuesFiles"], json!(["values.yaml"]));
    let requests = set.web.requests("r/podx-1.0.0.tgz");
    let after = set.charts.poke("later").await;
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(message(&after, "Ready"), message(&before, "Ready"));
    assert_eq!(set.web.requests("r/podx-1.0.0.tgz"), requests, "a chart that is there is not downloaded");
}
