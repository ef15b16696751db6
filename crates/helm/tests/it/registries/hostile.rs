//! Registries that mean harm, or are merely broken.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::Response,
};
use headwater_helm::{
    chart::{Limits, Metadata},
    pull,
};
use headwater_oci::{Digest, IMAGE_MANIFEST, Registry};
use headwater_testing::{
    charts::chart,
    registry::{self, Options},
    web::{Asked, Web, answer, body, never},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::reader_of;

/// The end of an attempt to get a chart.
#[derive(Clone, Copy)]
enum End {
    /// An error that says this.
    Error(&'static str),
    /// None: the caller has to stop waiting.
    Late,
}

use End::{Error, Late};

/// How a folder of the registry misbehaves, the version that is asked for, and the end of it.
const MANNERS: [(&str, &str, End); 16] = [
    ("endless-list", "1.x", Error("/v2/endless-list/podinfo/tags/list\": the list has more than 200000 entries or 2000 pages")),
    ("long-list", "1.x", Late),
    ("large-list", "1.x", Error("content size ")),
    ("loop", "1.x", Error("the next link leads to the same page again")),
    ("away", "1.x", Error("refusing a next link to another host")),
    ("html-list", "1.x", Error("failed to decode response: invalid character '<' looking for beginning of value")),
    ("html", "1.0.0", Error("manifest does not contain minimum number of descriptors (2), descriptors found: 0")),
    ("large-manifest", "1.0.0", Error("content size ")),
    ("longer", "1.0.0", Error("failed to perform \"Push\" on destination: trailing data")),
    ("said-longer", "1.0.0", Error("mismatch Content-Length")),
    ("shorter", "1.0.0", Error("unexpected EOF")),
    ("wrong", "1.0.0", Error("failed to perform \"Push\" on destination: mismatched digest")),
    ("other", "1.0.0", Error("mismatched digest")),
    ("rubbish", "1.0.0", Error("unexpected EOF")),
    ("busy", "1.x", Late),
    ("hang", "1.0.0", Late),
];

/// The first blob that is asked for: the configuration of the chart.
const CONFIG: &str = r#"{"apiVersion":"v2","name":"podinfo","version":"1.0.0"}"#;

fn meddle(asked: &Asked) -> Option<Response<Body>> {
    let (path, folder) = (asked.path(), asked.path().split('/').nth(2)?);
    let (list, manifest, blob) = (path.ends_with("/tags/list"), path.contains("/manifests/"), path.contains("/blobs/"));
    let page = |tags: Value, link: &str| {
        let tags = json!({"name": "podinfo", "tags": tags}).to_string();
        Some(answer(200, &[("link", &format!("<{link}>; rel=\"next\""))], tags))
    };
    let after = |step: u64| {
        let number = asked.query().trim_start_matches("last=").parse::<u64>().unwrap_or_default() + step;
        format!("/v2/{folder}/podinfo/tags/list?last={number}")
    };
    match folder {
        "endless-list" if list => page(json!(vec!["0.0.1"; 50_000]), &after(50_000)),
        "long-list" if list => {
            std::thread::sleep(Duration::from_millis(2));
            page(json!(["0.0.1"]), &after(1))
        }
        "large-list" if list => Some(endless("{\"tags\":[\"1.0.0\",")),
        "loop" if list => page(json!(["1.0.0"]), "list"),
        "away" if list => page(json!(["1.0.0"]), "http://127.0.0.1:1/v2/away/podinfo/tags/list?last=1"),
        "html-list" if list => Some(answer(200, &[], "<html>hello</html>")),
        "html" if manifest => Some(answer(200, &[("content-type", "text/html")], "<html></html>")),
        "large-manifest" if manifest => Some(endless("{}")),
        "longer" if blob => Some(endless("more")),
        "said-longer" if blob => Some(answer(200, &[], vec![b'x'; 100_000])),
        "shorter" if blob => Some(answer(200, &[], body::chunked(Bytes::from_static(b"x"), 1))),
        "wrong" if blob => Some(answer(200, &[], vec![b'x'; CONFIG.len()])),
        "other" if manifest => {
            let digest = format!("sha256:{}", "0".repeat(64));
            Some(answer(200, &[("content-type", IMAGE_MANIFEST), ("docker-content-digest", &digest)], "{}"))
        }
        "busy" => Some(answer(429, &[("retry-after", "86400")], "")),
        "hang" => Some(never()),
        _ => None,
    }
}

fn endless(piece: &'static str) -> Response<Body> {
    answer(200, &[("content-type", IMAGE_MANIFEST)], body::endless(piece))
}

/// The metadata of the chart `podinfo` out of a folder, or why there is none.
async fn take(reader: &Registry, folder: &str, wanted: &str) -> Result<Metadata, String> {
    let repository = format!("{folder}/podinfo");
    let version = pull::resolve(reader, &repository, "podinfo", wanted).await.map_err(|error| error.to_string())?;
    let pulled = pull::pull(reader, &repository, &version, 10 << 20).await.map_err(|error| error.to_string())?;
    Metadata::of_archive(&pulled.bytes, &Limits::default()).map_err(|problem| problem.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hostile_registry_ends_in_an_error_or_at_the_deadline_of_the_caller() {
    let Some(server) = registry::start(Options::default()) else { return };
    for (folder, ..) in MANNERS.into_iter().chain([("good", "", Late)]) {
        let archive = if folder == "rubbish" { b"<html>".to_vec() } else { chart("podinfo", "1.0.0", &[]) };
        server.push_chart(folder, "podinfo", "1.0.0", &archive).await;
    }
    let front = Web::before(&format!("http://{}", server.address), meddle).await;
    let reader = reader_of(&front.address);
    for (folder, version, end) in MANNERS {
        match end {
            Error(why) => {
                let text = take(&reader, folder, version).await.unwrap_err();
                assert!(text.contains(why), "{folder}: {text}");
                assert!(text.len() < 2_048 && !text.contains(|c: char| c.is_control()), "{text:?}");
            }
            Late => {
                let end = timeout(Duration::from_millis(500), take(&reader, folder, version)).await;
                assert!(end.is_err(), "{folder}: {end:?}");
            }
        }
    }
    assert_eq!(take(&reader, "good", "1.x").await.unwrap().version, "1.0.0");
}

#[tokio::test]
async fn a_chart_larger_than_the_limit_is_refused_before_it_is_read() {
    let Some(server) = registry::start(Options::default()) else { return };
    let (small, large) = (chart("podinfo", "1.0.0", &[]), vec![b'x'; 20_000]);
    server.push_chart("charts", "podinfo", "1.0.0", &small).await;
    server.push_chart("charts", "podinfo", "2.0.0", &large).await;
    let front = Web::before(&format!("http://{}", server.address), |_| None).await;
    let reader = reader_of(&front.address);
    let pulled = async |version| pull::pull(&reader, "charts/podinfo", version, 10_000).await;
    let text = pulled("2.0.0").await.unwrap_err().to_string();
    assert!(text.ends_with(": content size 20000 exceeds the limit of 10000 bytes"), "{text}");
    let lines = front.lines();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| !line.contains(Digest::of(&large).as_str())),
        "its size is known before: {lines:?}"
    );
    assert_eq!(pulled("1.0.0").await.unwrap().bytes, small);
}
