//! Trees in which there is no chart: each failure with upstream's reason, words and fate.

use headwater_testing::{charts::chart, noise};
use serde_json::{Value, json};

use super::{Fate, Files, Set, dependencies, dependency, file, folder};
use crate::support::{
    artifact::download,
    cluster::{Server, on_each_server},
    namespace::message,
};

const REFERENCE: &str = "InvalidChartReference";
const VALUES: &str = "ValuesFilesError";
const PACKAGE: &str = "ChartPackageError";

on_each_server!(a_tree_without_the_chart_that_is_asked_for_says_why);
async fn a_tree_without_the_chart_that_is_asked_for_says_why(server: &Server) {
    let metadata = |text: &str| [("Chart.yaml", text), ("values.yaml", "a: 1\n")].map(|(path, text)| (path.to_owned(), text.to_owned()));
    let nameless = metadata("apiVersion: v2\nversion: 1.0.0\n");
    let trees = [
        ("version", metadata("apiVersion: v2\nname: podx\nversion: latest\n")),
        ("yaml", metadata("name: [\n")),
        ("nameless", nameless),
        ("traversal", metadata("apiVersion: v2\nname: ../../x\nversion: 1.0.0\n")),
        ("schema", metadata("apiVersion: v2\nname: podx\nversion: 1.0.0\n")),
    ];
    let values = |files: Value| json!({"valuesFiles": files});
    let set = Set::new(server, "chart-failing").await;
    let mut files: Files = folder("good", "podx", "0.3.0", "");
    for (name, tree) in &trees {
        files.extend(tree.iter().map(|(path, text)| file(&format!("{name}/{path}"), text.as_str())));
    }
    files.push(file("schema/values.schema.json", "{nonsense"));
    files.push(file("bare/Chart.yaml", "apiVersion: v2\nname: podx\nversion: 1.0.0\n"));
    files.push(file("empty/values.yaml", "a: 1\n"));
    files.push(file("text", "x"));
    files.push(file("text.yaml", "a chart this is not, whatever is said of it\n"));
    set.git(&files).await;
    let parsing = "error converting YAML to JSON: yaml: line 1: did not find expected node content";
    let yaml = format!("cannot load 'Chart.yaml': {parsing}");
    let cases = [
        ("version", "version", json!({}), REFERENCE, "validation: chart.metadata.version \"latest\" is invalid"),
        ("yaml", "yaml", json!({}), REFERENCE, &yaml),
        ("nameless", "nameless", json!({}), REFERENCE, "validation: chart.metadata.name is required"),
        ("traversal", "traversal", json!({}), REFERENCE, "validation: chart.metadata.name \"../../x\" is invalid"),
        ("empty", "empty", json!({}), REFERENCE, "open /empty/Chart.yaml: no such file or directory"),
        ("gone", "gone", json!({}), REFERENCE, "stat /gone: no such file or directory"),
        ("absolute", "/good", json!({}), REFERENCE, "local chart reference path is expected to be relative"),
        ("text", "text", json!({}), REFERENCE, "unexpected EOF"),
        ("schema", "schema", json!({}), PACKAGE, "failed to package chart: invalid JSON in values.schema.json"),
        ("missing", "good", values(json!(["nope.yaml"])), VALUES, "no values file found at path '/nope.yaml' (reference 'nope.yaml')"),
        (
            "outside",
            "good",
            values(json!(["../../etc/passwd"])),
            VALUES,
            "no values file found at path '/etc/passwd' (reference '../../etc/passwd')",
        ),
        ("folder", "good", values(json!(["good"])), VALUES, "no values file found at path '/good' (reference 'good')"),
        ("bare", "bare", values(json!(["good/values.yaml"])), VALUES, "failed to locate values file: values.yaml"),
    ];
    for (name, path, spec, ..) in &cases {
        set.take_path(name, path, spec).await;
    }
    for (name, _, _, reason, why) in &cases {
        let (class, fate) = match *reason {
            REFERENCE => ("invalid chart reference", Fate::Stalls),
            VALUES => ("values files merge error", Fate::Stalls),
            _ => ("chart package error", Fate::Retries),
        };
        let object = set.fails(name, reason, fate, &format!("{class}: {why}")).await;
        assert!(object["status"]["artifact"].is_null(), "{}", object["status"]);
        assert_eq!(object["status"]["observedGeneration"], if fate == Fate::Stalls { 1 } else { -1 });
    }
}

on_each_server!(a_chart_that_breaks_keeps_its_artifact_and_recovers_with_the_source);
async fn a_chart_that_breaks_keeps_its_artifact_and_recovers_with_the_source(server: &Server) {
    let set = Set::new(server, "chart-recovers").await;
    let good = |version: &str| folder("charts/podx", "podx", version, "");
    let repository = set.git(&good("0.3.0")).await;
    set.take_path("c", "charts/podx", &json!({})).await;
    let before = set.charts.ready_at("c", "0.3.0").await;
    let needs = dependencies(&[dependency("common", "1.x", "file://../none")]);
    set.commit(&repository, &folder("charts/podx", "podx", "0.4.0", &needs)).await;
    let why = "no chart found at '/charts/none' (reference 'file://../none')";
    let words = format!("dependency build error: failed to add local dependency 'common': {why}");
    let broken = set.fails("c", "DependencyBuildError", Fate::Retries, &words).await;
    assert_eq!(broken["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(message(&broken, "BuildFailed"), words);
    download(&broken).await.unwrap();
    set.commit(&repository, &good("0.3.0")).await;
    let after = set.charts.ready_at("c", "0.3.0").await;
    assert_eq!(after["status"]["artifact"]["digest"], before["status"]["artifact"]["digest"]);
    // A chart that stalls is as little lost.
    set.commit(&repository, &good("latest")).await;
    let words = "invalid chart reference: validation: chart.metadata.version \"latest\" is invalid";
    set.fails("c", REFERENCE, Fate::Stalls, words).await;
    set.commit(&repository, &good("0.5.0")).await;
    set.charts.ready_at("c", "0.5.0").await;
}

on_each_server!(an_archive_in_a_tree_that_is_damaged_says_so);
async fn an_archive_in_a_tree_that_is_damaged_says_so(server: &Server) {
    let whole = chart("podx", "1.0.0", &[("values.yaml", "a: 1\n")]);
    let set = Set::new(server, "chart-damaged").await;
    let half = file("half.tgz", &whole[..whole.len() / 2]);
    let folder = file("folder.tgz/values.yaml", "a: 1\n");
    set.git(&vec![half, file("yaml.tgz", "apiVersion: v2\nname: podx\n".repeat(40)), folder]).await;
    for (name, path, strategy) in
        [("half", "half.tgz", "ChartVersion"), ("yaml", "yaml.tgz", "Revision"), ("folder", "folder.tgz", "Revision")]
    {
        set.take_path(name, path, &json!({"reconcileStrategy": strategy})).await;
    }
    for name in ["half", "yaml", "folder"] {
        let object = set.charts.failed(name, REFERENCE).await;
        assert!(object["status"]["artifact"].is_null(), "{}", object["status"]);
        assert!(message(&object, "Stalled").starts_with("invalid chart reference: "), "{}", object["status"]);
    }
}

on_each_server!(charts_in_a_tree_have_bounds);
async fn charts_in_a_tree_have_bounds(server: &Server) {
    let limits = ["--helm-chart-file-max-size=2000", "--helm-chart-max-size=20000"];
    let long = format!("apiVersion: v2\nname: podx\nversion: 1.0.0\ndescription: {}\n", "x".repeat(3000));
    let packed = chart("podx", "1.0.0", &[("noise", &noise(10_000))]);
    let set = Set::with(server, "chart-bounds", &limits).await;
    let files = [
        folder("good", "podx", "0.3.0", ""),
        folder("wide", "podx", "0.3.0", ""),
        vec![file("wide/noise", noise(400)), file("long/Chart.yaml", long.as_str()), file("big.tgz", packed.clone())],
    ];
    set.git(&files.concat()).await;
    let cases = [
        (
            "wide",
            "wide",
            PACKAGE,
            "chart package error: failed to load files from /wide/: cannot load file noise as file size (3200) exceeds limit (2000)",
        ),
        ("long", "long", REFERENCE, "invalid chart reference: size of 'Chart.yaml' exceeds '2000' bytes limit"),
        ("big", "big.tgz", REFERENCE, "invalid chart reference: size of chart 'big.tgz' exceeds '20000' bytes limit"),
    ];
    set.take_path("good", "good", &json!({})).await;
    for (name, path, ..) in cases {
        set.take_path(name, path, &json!({})).await;
    }
    set.charts.ready_at("good", "0.3.0").await;
    for (name, _, reason, words) in cases {
        let object = set.charts.failed(name, reason).await;
        assert_eq!(message(&object, "Ready"), words);
    }
}
