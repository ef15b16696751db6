//! Charts out of a tree of files: folders and archives, versions, values files, ignore files, and the same bytes each time.

use headwater_testing::charts::chart;
use serde_json::{Value, json};

use super::{Fate, Files, Set, TEMPLATE, VALUES, dependencies, dependency, file, folder};
use crate::support::{
    artifact::{Listing, download, listing},
    cluster::{Server, on_each_server},
    namespace::{condition, message, revision},
};

const METADATA: &str = "apiVersion: v2\nappVersion: \"1\"\ndescription: a chart\nname: podx\nversion: 0.3.0\n";

fn paths(listing: &Listing) -> Vec<&str> {
    listing.keys().map(String::as_str).collect()
}

on_each_server!(a_folder_is_packaged_and_an_archive_is_taken_as_it_is);
async fn a_folder_is_packaged_and_an_archive_is_taken_as_it_is(server: &Server) {
    let set = Set::new(server, "chart-git").await;
    let packed = chart("podx", "1.0.0", &[("values.yaml", VALUES)]);
    let files = [folder("charts/podx", "podx", "0.3.0", ""), vec![file("p/podx-1.0.0.tgz", packed.clone())]].concat();
    set.git(&files).await;
    let folders = [("plain", "charts/podx"), ("dotted", "./charts/podx"), ("slashed", "charts/podx/"), ("rooted", "../charts/podx")];
    for (name, path) in folders {
        set.take_path(name, path, &json!({})).await;
    }
    set.take_path("packed", "p/podx-1.0.0.tgz", &json!({})).await;
    let source = set.world.space.ready("g").await;
    for (name, _) in folders {
        let object = set.charts.ready_at(name, "0.3.0").await;
        assert_eq!(message(&object, "Ready"), "packaged 'podx' chart with version '0.3.0'");
        assert_eq!(condition(&object, "Ready").unwrap()["reason"], "ChartPackageSucceeded");
        assert_eq!(object["status"]["artifact"]["path"], format!("helmchart/{}/{name}/podx-0.3.0.tgz", set.charts.name));
        assert_eq!(object["status"]["observedSourceArtifactRevision"], *revision(&source));
        let listing = listing(&object).await;
        assert_eq!(paths(&listing), ["podx/Chart.yaml", "podx/templates/cm.yaml", "podx/values.yaml"]);
        let contents: Vec<_> = listing.values().map(|entry| (entry.mode, entry.content.as_slice())).collect();
        assert_eq!(contents, [METADATA, TEMPLATE, VALUES].map(|text| (0o644, text.as_bytes())));
    }
    let object = set.charts.ready_at("packed", "1.0.0").await;
    assert_eq!(message(&object, "Ready"), "pulled 'podx' chart with version '1.0.0'");
    assert!(download(&object).await.unwrap() == packed);
}

on_each_server!(the_chart_at_the_root_of_a_repository_is_packaged);
async fn the_chart_at_the_root_of_a_repository_is_packaged(server: &Server) {
    let set = Set::new(server, "chart-root").await;
    let files: Files = folder("", "podx", "0.3.0", "").into_iter().map(|(path, content)| (path[1..].to_owned(), content)).collect();
    set.git(&files).await;
    set.take_path("c", ".", &json!({})).await;
    let listing = listing(&set.charts.ready_at("c", "0.3.0").await).await;
    assert_eq!(paths(&listing), ["podx/Chart.yaml", "podx/templates/cm.yaml", "podx/values.yaml"]);
}

on_each_server!(the_revision_strategy_follows_every_commit_and_the_other_the_version_alone);
async fn the_revision_strategy_follows_every_commit_and_the_other_the_version_alone(server: &Server) {
    let set = Set::new(server, "chart-strategy").await;
    let packed = file("p/podx-1.0.0.tgz", chart("podx", "1.0.0", &[("values.yaml", VALUES)]));
    let charts = |version: &str, more: &str| -> Files {
        let values = file("v.yaml", "replicas: 7\n");
        [folder("charts/podx", "podx", version, ""), vec![values, packed.clone(), file("unrelated", more)]].concat()
    };
    let repository = set.git(&charts("0.3.0", "one")).await;
    let follows = json!({"reconcileStrategy": "Revision"});
    set.take_path("version", "charts/podx", &json!({})).await;
    set.take_path("revision", "charts/podx", &follows).await;
    set.take_path("merged", "charts/podx", &json!({"reconcileStrategy": "Revision", "valuesFiles": ["v.yaml"]})).await;
    set.take_path("packed", "p/podx-1.0.0.tgz", &follows).await;
    let expect = async |version: &str, head: &str| {
        let short = &head[..12];
        set.charts.ready_at("revision", &format!("{version}+{short}")).await;
        set.charts.ready_at("merged", &format!("{version}+{short}.1")).await;
        let object = set.charts.ready_at("packed", &format!("1.0.0+{short}")).await;
        let text = format!("apiVersion: v2\nname: podx\nversion: 1.0.0+{short}\n");
        assert_eq!(listing(&object).await["podx/Chart.yaml"].content, text.as_bytes());
        let observed = format!("main@sha1:{head}");
        let settled = |object: &Value| object["status"]["observedSourceArtifactRevision"] == *observed;
        set.charts.wait("version", "the commit is observed", settled).await
    };
    let source = set.world.space.ready("g").await;
    let before = expect("0.3.0", revision(&source).rsplit(':').next().unwrap()).await;
    let head = set.commit(&repository, &charts("0.3.0", "two")).await;
    let after = expect("0.3.0", &head).await;
    assert_eq!(before["status"]["artifact"], after["status"]["artifact"]);
    let head = set.commit(&repository, &charts("0.4.0", "two")).await;
    let after = expect("0.4.0", &head).await;
    assert_eq!(revision(&set.charts.ready_at("version", "0.4.0").await), "0.4.0", "{}", after["status"]);
}

on_each_server!(values_files_are_found_from_the_root_of_the_source);
async fn values_files_are_found_from_the_root_of_the_source(server: &Server) {
    let set = Set::new(server, "chart-git-values").await;
    let packed = file("p/podx-1.0.0.tgz", chart("podx", "1.0.0", &[("values.yaml", VALUES)]));
    let prod = [file("charts/podx/prod.yaml", "replicas: 5\n"), file("v.yaml", "replicas: 9\n"), packed];
    set.git(&[folder("charts/podx", "podx", "0.3.0", ""), prod.into()].concat()).await;
    let both = json!(["charts/podx/values.yaml", "charts/podx/prod.yaml"]);
    set.take_path("both", "charts/podx", &json!({"valuesFiles": both})).await;
    set.take_path("packed", "p/podx-1.0.0.tgz", &json!({"valuesFiles": ["v.yaml"]})).await;
    set.take_path("own", "charts/podx", &json!({"valuesFiles": ["values.yaml"]})).await;
    let ignoring = json!({"valuesFiles": ["none.yaml", "v.yaml"], "ignoreMissingValuesFiles": true});
    set.take_path("ignoring", "charts/podx", &ignoring).await;
    let cases = [
        ("both", "0.3.0+1", " and merged values files [charts/podx/values.yaml charts/podx/prod.yaml]", "image: one\nreplicas: 5\n"),
        ("packed", "1.0.0+1", " and merged values files [v.yaml]", "replicas: 9\n"),
        ("own", "0.3.0", "", VALUES),
        ("ignoring", "0.3.0+1", " and merged values files [v.yaml]", "replicas: 9\n"),
    ];
    for (name, version, told, values) in cases {
        let object = set.charts.ready_at(name, version).await;
        assert_eq!(message(&object, "Ready"), format!("packaged 'podx' chart with version '{version}'{told}"));
        assert_eq!(listing(&object).await["podx/values.yaml"].content, values.as_bytes(), "{name}");
    }
    let object = set.charts.ready("ignoring").await;
    assert_eq!(object["status"]["observedValuesFiles"], json!(["v.yaml"]));
}

on_each_server!(ignore_files_of_charts_are_read_as_helm_reads_them);
async fn ignore_files_of_charts_are_read_as_helm_reads_them(server: &Server) {
    let set = Set::new(server, "chart-helmignore").await;
    let with = |path: &str, rules: &str| -> Files {
        let more = [
            (".helmignore", rules),
            ("README.md", "x"),
            ("docs/a", "d"),
            ("sub/docs/a", "kept"),
            ("secret/b", "s"),
            ("templates/.hidden", "h"),
            ("crds/c.yaml", "{}"),
        ];
        let more = more.map(|(name, content)| file(&format!("{path}/{name}"), content));
        [folder(path, "podx", "0.3.0", ""), more.into()].concat()
    };
    let files = [with("good", "# a comment\n*.md\n/docs\nsecret/\n"), with("not", "*.md\n!keep.md\n"), with("stars", "a/**/b\n")];
    set.git(&files.concat()).await;
    for name in ["good", "not", "stars"] {
        set.take_path(name, name, &json!({})).await;
    }
    let listing = listing(&set.charts.ready("good").await).await;
    let rest = ["podx/.helmignore", "podx/Chart.yaml", "podx/crds/c.yaml", "podx/sub/docs/a", "podx/templates/cm.yaml"];
    assert_eq!(paths(&listing), [&rest[..], &["podx/values.yaml"]].concat());
    let words = "chart package error: failed to load chart from /not/: Chart.yaml file is missing";
    set.fails("not", "ChartPackageError", Fate::Retries, words).await;
    let words = "chart package error: cannot load ignore rules for chart: double-star (**) syntax is not supported";
    set.fails("stars", "ChartPackageError", Fate::Retries, words).await;
}

on_each_server!(a_lost_artifact_is_made_again_with_the_same_bytes);
async fn a_lost_artifact_is_made_again_with_the_same_bytes(server: &Server) {
    let set = Set::new(server, "chart-again").await;
    set.web.publish("r", &[("podx", "1.0.0")]);
    set.repository("h", "r").await;
    let needs = [dependency("common", "1.x", "file://../common"), dependency("podx", "1.x", &set.web.url("r"))];
    let app = folder("charts/app", "app", "0.3.0", &dependencies(&needs));
    let common = folder("charts/common", "common", "1.2.0", "");
    set.git(&[app, common, vec![file("v.yaml", "replicas: 7\n")]].concat()).await;
    set.take("pulled", &json!({})).await;
    set.take_path("packaged", "charts/app", &json!({"reconcileStrategy": "Revision", "valuesFiles": ["v.yaml"]})).await;
    for name in ["pulled", "packaged"] {
        let before = set.charts.ready(name).await;
        let bytes = download(&before).await.unwrap();
        let path = before["status"]["artifact"]["path"].as_str().unwrap();
        std::fs::remove_file(set.world.controller.storage.join(path)).unwrap();
        set.charts.poke(name).await;
        let after = set.charts.ready(name).await;
        let digest = |object: &Value| object["status"]["artifact"]["digest"].clone();
        assert_eq!(digest(&before), digest(&after), "{name}");
        assert!(download(&after).await.unwrap() == bytes);
    }
}
