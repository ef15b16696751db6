//! Which version of a chart is meant, and what it costs to find out.

use headwater_testing::registry::{self, Options};
use serde_json::json;

use super::{archive, charts, front::Front, in_clear, order, podinfo, push, repositories, unpulled, with};
use crate::support::{
    artifact::{check, download, listing},
    cluster::{Server, on_each_server},
    namespace::{condition, message, revision},
    world::World,
};

const TAGS: &str = "GET /v2/charts/podinfo/tags/list";

on_each_server!(each_range_gives_its_newest_version_out_of_all_pages);
async fn each_range_gives_its_newest_version_out_of_all_pages(api: &Server) {
    let Some(server) = registry::start(Options { page: Some(2), ..Options::default() }) else { return };
    push(&server, "charts", &["1.2.0+build.5", "1.0.0", "2.0.0-rc.1", "1.1.0", "0.9.0"]).await;
    server.push_chart("charts", "podinfo", "latest", &archive("9.9.9")).await;
    let cases = [("empty", "", "1.2.0+build.5"), ("pre", ">=1.0.0-0", "2.0.0-rc.1"), ("plus", "1.2.0+build.5", "1.2.0+build.5")];
    let world = World::new(api, "oci-versions").await;
    repositories(&world).source("h", in_clear(&server.address, "charts")).await;
    for (name, wanted, _) in cases {
        charts(&world).source(name, podinfo("h", wanted)).await;
    }
    for (name, _, version) in cases {
        let object = charts(&world).ready_at(name, version).await;
        let bytes = download(&object).await.unwrap();
        check(&object, &bytes);
        assert_eq!(bytes, archive(version), "the archive as it was pushed");
        assert_eq!(message(&object, "Ready"), format!("pulled 'podinfo' chart with version '{version}'"));
        assert_eq!(object["status"]["observedChartName"], "podinfo");
        let folder = format!("helmchart/{}/{name}", world.space.name);
        assert_eq!(object["status"]["artifact"]["path"], format!("{folder}/podinfo-{version}.tgz"));
        assert_eq!(object["status"]["url"], format!("{}/{folder}/latest.tar.gz", world.controller.origin));
        let event = world.space.event(name, "ChartPullSucceeded").await;
        assert_eq!(event["message"], message(&object, "Ready"));
    }
    // The repository itself has nothing to fetch, and nothing to tell.
    assert!(repositories(&world).get("h").await.unwrap()["status"]["conditions"].is_null());
}

on_each_server!(one_version_is_not_looked_up_and_an_unchanged_chart_is_not_pulled);
async fn one_version_is_not_looked_up_and_an_unchanged_chart_is_not_pulled(api: &Server) {
    let Some(server) = registry::start(Options::default()) else { return };
    push(&server, "charts", &["1.0.0", "1.1.0"]).await;
    let front = Front::before(&server, |_| None).await;
    let world = World::new(api, "oci-unchanged").await;
    front.taken();
    order(&world, "one", in_clear(&front.address, "charts"), "1.0.0").await;
    let one = charts(&world).ready_at("one", "1.0.0").await;
    let lines = front.lines();
    assert_eq!(lines[0], "GET /v2/charts/podinfo/manifests/1.0.0");
    assert_eq!(lines.len(), 3, "the manifest, its configuration and the chart: {lines:?}");
    assert_eq!(charts(&world).poke("one").await["status"]["artifact"], one["status"]["artifact"]);
    assert_eq!(front.lines(), Vec::<String>::new());

    charts(&world).source("range", podinfo("one", "1.x")).await;
    let range = charts(&world).ready_at("range", "1.1.0").await;
    let lines = front.lines();
    assert_eq!(lines.iter().map(String::as_str).filter(|line| *line == TAGS).count(), 1, "{lines:?}");
    assert_eq!(lines.len(), 4, "{lines:?}");
    let again = charts(&world).poke("range").await;
    assert_eq!(again["status"]["artifact"], range["status"]["artifact"]);
    assert_eq!(message(&again, "Ready"), message(&range, "Ready"));
    assert_eq!(front.lines(), [TAGS]);

    // Another interval makes no other chart.
    charts(&world).patch("one", &json!({"spec": {"interval": "2h"}})).await;
    charts(&world).ready("one").await;
    assert_eq!(front.lines(), Vec::<String>::new());
}

on_each_server!(a_new_version_in_the_range_is_pulled_when_a_reconcile_is_requested);
async fn a_new_version_in_the_range_is_pulled_when_a_reconcile_is_requested(api: &Server) {
    let Some(server) = registry::start(Options::default()) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    let world = World::new(api, "oci-new").await;
    order(&world, "x", in_clear(&server.address, "charts"), "1.x").await;
    charts(&world).ready_at("x", "1.0.0").await;
    push(&server, "charts", &["1.0.1", "2.0.0"]).await;
    charts(&world).poke("x").await;
    let object = charts(&world).ready_at("x", "1.0.1").await;
    assert_eq!(download(&object).await.unwrap(), archive("1.0.1"));
    // What was pulled stays while there is nothing better.
    charts(&world).patch("x", &json!({"spec": {"version": "7.x"}})).await;
    let object = charts(&world).failed("x", "ChartPullError").await;
    assert_eq!(revision(&object), "1.0.1");
    assert_eq!(condition(&object, "ArtifactInStorage").unwrap()["status"], "True");
}

on_each_server!(what_is_missing_is_told_and_pulled_when_it_appears);
async fn what_is_missing_is_told_and_pulled_when_it_appears(api: &Server) {
    let Some(server) = registry::start(Options::default()) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    let world = World::new(api, "oci-missing").await;
    let address = &server.address;
    order(&world, "range", in_clear(address, "charts"), "3.x").await;
    order(&world, "one", in_clear(address, "charts"), "3.0.0").await;
    // This name has to do with certificates and refusals, but what is wrong with it has not.
    order(&world, "nowhere", in_clear(address, "tls401"), "*").await;
    let find = "failed to get chart version for remote reference: ";
    assert_eq!(unpulled(&world, "range").await, format!("{find}could not locate a version matching provided version string 3.x"));
    let pull = "failed to download chart for remote reference: failed to get ";
    let what = format!("{address}/charts/podinfo:3.0.0");
    let expected = format!("{pull}'oci://{what}': failed to perform \"FetchReference\" on source: {what}: not found");
    assert_eq!(unpulled(&world, "one").await, expected);
    let tags =
        |folder: &str| format!("{find}could not get tags for \"podinfo\": could not fetch tags for \"oci://{address}/{folder}/podinfo\": ");
    let unknown = "response status code 404: name unknown: repository name not known to registry: map[name:tls401/podinfo]";
    let expected = format!("{}GET \"http://{address}/v2/tls401/podinfo/tags/list\": {unknown}", tags("tls401"));
    assert_eq!(unpulled(&world, "nowhere").await, expected);

    for folder in ["charts", "tls401"] {
        push(&server, folder, &["3.0.0"]).await;
    }
    for name in ["range", "one", "nowhere"] {
        let object = charts(&world).ready_at(name, "3.0.0").await;
        assert!(condition(&object, "FetchFailed").is_none());
    }
}

on_each_server!(values_files_are_merged_into_a_chart_of_a_registry);
async fn values_files_are_merged_into_a_chart_of_a_registry(api: &Server) {
    let Some(server) = registry::start(Options::default()) else { return };
    push(&server, "charts", &["1.2.0+build.5"]).await;
    let world = World::new(api, "oci-values").await;
    repositories(&world).source("h", in_clear(&server.address, "charts")).await;
    let files = |files: &[&str]| with(podinfo("h", "1.x"), &json!({"valuesFiles": files}));
    charts(&world).source("merged", files(&["values.yaml", "prod.yaml"])).await;
    charts(&world).source("missing", files(&["values.yaml", "none.yaml"])).await;
    let ignored = with(files(&["values.yaml", "none.yaml", "prod.yaml"]), &json!({"ignoreMissingValuesFiles": true}));
    charts(&world).source("ignored", ignored).await;
    // The object's generation takes the place of what the version says of its build.
    let object = charts(&world).ready_at("merged", "1.2.0+1").await;
    let merged = "packaged 'podinfo' chart with version '1.2.0+1' and merged values files [values.yaml prod.yaml]";
    assert_eq!(message(&object, "Ready"), merged);
    let values = &listing(&object).await["podinfo/values.yaml"];
    assert_eq!(values.content, b"image: one\nreplicas: 3\n");
    let object = charts(&world).ready_at("ignored", "1.2.0+1").await;
    assert_eq!(object["status"]["observedValuesFiles"], json!(["values.yaml", "prod.yaml"]));
    let object = charts(&world).failed("missing", "ValuesFilesError").await;
    let text = "values files merge error: failed to merge chart values: no values file found at path 'none.yaml'";
    assert_eq!(message(&object, "Stalled"), text);
}
