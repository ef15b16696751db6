//! Which version of a chart is meant, and what it costs to find out.

use headwater_helm::pull;
use headwater_oci::Registry;
use headwater_testing::{
    charts::chart,
    registry::{self, Options},
    web::Web,
};

use super::{reader, reader_of};

const TAGS: &str = "GET /v2/charts/podinfo/tags/list";

fn archive(version: &str) -> Vec<u8> {
    chart("podinfo", version, &[("values.yaml", "replicas: 1\n")])
}

async fn push(server: &registry::Registry, folder: &str, versions: &[&str]) {
    for version in versions {
        server.push_chart(folder, "podinfo", version, &archive(version)).await;
    }
}

/// The version of `podinfo` in a folder that is wanted, and its archive.
async fn take(reader: &Registry, folder: &str, wanted: &str) -> Result<(String, Vec<u8>), String> {
    let repository = format!("{folder}/podinfo");
    let version = pull::resolve(reader, &repository, "podinfo", wanted).await.map_err(|error| error.to_string())?;
    let pulled = pull::pull(reader, &repository, &version, 1 << 20).await.map_err(|error| error.to_string())?;
    Ok((version, pulled.bytes))
}

#[tokio::test]
async fn each_range_gives_its_newest_version_out_of_all_pages() {
    let Some(server) = registry::start(Options { page: Some(2), ..Options::default() }) else { return };
    push(&server, "charts", &["1.2.0+build.5", "1.0.0", "2.0.0-rc.1", "1.1.0", "0.9.0"]).await;
    server.push_chart("charts", "podinfo", "latest", &archive("9.9.9")).await;
    let reader = reader(&server);
    for (wanted, version) in [
        ("*", "1.2.0+build.5"),
        ("", "1.2.0+build.5"),
        ("1.x", "1.2.0+build.5"),
        (">=1.0.0 <1.2.0", "1.1.0"),
        (">=1.0.0-0", "2.0.0-rc.1"),
        ("1.0.0", "1.0.0"),
        ("1.2.0+build.5", "1.2.0+build.5"),
    ] {
        let expected = (version.to_owned(), archive(version));
        assert!(take(&reader, "charts", wanted).await.unwrap() == expected, "{wanted:?} is not {version}, or not as it was pushed");
    }
}

#[tokio::test]
async fn one_version_is_not_looked_up_and_a_range_is_once() {
    let Some(server) = registry::start(Options::default()) else { return };
    push(&server, "charts", &["1.0.0", "1.1.0"]).await;
    let front = Web::before(&format!("http://{}", server.address), |_| None).await;
    let reader = reader_of(&front.address);
    let lines = async |wanted| {
        take(&reader, "charts", wanted).await.unwrap();
        front.take().iter().map(|asked| format!("{} {}", asked.method, asked.path())).collect::<Vec<_>>()
    };
    let one = lines("1.0.0").await;
    assert_eq!(one[0], "GET /v2/charts/podinfo/manifests/1.0.0");
    assert_eq!(one.len(), 3, "the manifest, its configuration and the chart: {one:?}");
    let range = lines("1.x").await;
    assert_eq!(range.iter().filter(|line| *line == TAGS).count(), 1, "{range:?}");
    assert_eq!(range.len(), 4, "{range:?}");
}

#[tokio::test]
async fn what_is_missing_is_told_and_pulled_when_it_appears() {
    let Some(server) = registry::start(Options::default()) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    for tag in ["latest", "nightly"] {
        server.push_chart("tags", "podinfo", tag, &archive("1.0.0")).await;
    }
    let (reader, address) = (reader(&server), &server.address);
    let what = format!("{address}/charts/podinfo:3.0.0");
    let unknown = "response status code 404: name unknown: repository name not known to registry: map[name:nowhere/podinfo]";
    let tags = "could not get tags for \"podinfo\": ";
    let fetch = format!("{tags}could not fetch tags for \"oci://{address}/nowhere/podinfo\": ");
    let cases = [
        ("charts", "3.x", "could not locate a version matching provided version string 3.x".to_owned()),
        ("charts", "3.0.0", format!("failed to get 'oci://{what}': failed to perform \"FetchReference\" on source: {what}: not found")),
        ("nowhere", "*", format!("{fetch}GET \"http://{address}/v2/nowhere/podinfo/tags/list\": {unknown}")),
        ("tags", "*", format!("{tags}unable to locate any tags in provided repository: oci://{address}/tags/podinfo")),
    ];
    for (folder, wanted, why) in &cases {
        assert_eq!(take(&reader, folder, wanted).await.unwrap_err(), *why);
    }
    assert_eq!(take(&reader, "charts", "not a range").await.unwrap_err(), "improper constraint: \"not a range\"");
    for folder in ["charts", "nowhere", "tags"] {
        push(&server, folder, &["3.0.0"]).await;
    }
    for (folder, wanted, _) in cases {
        assert_eq!(take(&reader, folder, wanted).await.unwrap().0, "3.0.0");
    }
}
