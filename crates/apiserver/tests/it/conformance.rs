//! Both servers are sent the same requests, those that kubectl and kube-rs really send and those that are refused, and
//! their answers are compared field by field. What differs on purpose stands in [`purpose`] and in `docs/api-server.md`.

mod differ;
mod normal;
mod purpose;
mod request;
mod servers;

use std::collections::HashSet;

use differ::{Extent, differences};
use headwater_testing::loudly;
use kube::Client;
use purpose::DIFFERENCES;
use request::{Player, Recorded};
use serde_json::{Value, json};

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

async fn compare(recording: &str, namespace: &str, more: &[Recorded]) {
    let Some(real) = servers::real().await else {
        return loudly("the answers of the embedded API server were NOT compared: there is no real one");
    };
    let text = std::fs::read_to_string(format!("{}/tests/fixtures/requests/{recording}.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut requests: Vec<Recorded> = serde_json::from_str(&text).unwrap();
    requests.extend(more.iter().cloned());
    let (server, embedded) = servers::embedded().await;
    let play = async |client: Client| {
        let mut player = Player::new(client, namespace);
        if recording != "kubectl" {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            player.tell("POST", "/api/v1/namespaces", "application/json", &body).await;
        }
        let answers = player.play(&requests).await;
        clean(&player, namespace).await;
        answers
    };
    let (real, embedded) = tokio::join!(play(real), play(embedded));
    server.end().await;

    let (mut report, mut used) = (Vec::new(), HashSet::new());
    for ((request, real), embedded) in requests.iter().zip(&real).zip(&embedded) {
        let label = request.label();
        let extent = if request.describes_the_server() { Extent::Common } else { Extent::All };
        for found in differences(real, embedded, extent) {
            if is_worded(&label, &found.pointer) {
                continue;
            }
            let known = DIFFERENCES.iter().position(|known| {
                known.recording == recording && label.contains(known.request) && found.pointer.starts_with(known.pointer)
            });
            match known {
                Some(at) => {
                    used.insert(at);
                }
                None => report.push(format!("{label}: {}: {} | {}", found.pointer, shown(found.real), shown(found.embedded))),
            }
        }
    }
    for (at, known) in DIFFERENCES.iter().enumerate().filter(|(_, known)| known.recording == recording) {
        if !used.contains(&at) {
            report.push(format!("no longer differs: {} {}: {}", known.request, known.pointer, known.reason));
        }
    }
    assert!(report.is_empty(), "{} differences, the real server's | the embedded one's:\n{}", report.len(), report.join("\n"));
}

/// What operations and lists are for is told in other words.
fn is_worded(label: &str, pointer: &str) -> bool {
    label.contains("/openapi/") && pointer.ends_with("/description")
}

fn shown(value: Option<Value>) -> String {
    let text = value.map_or("(absent)".to_owned(), |value| value.to_string());
    if text.chars().count() > 400 { format!("{}…", text.chars().take(400).collect::<String>()) } else { text }
}

/// Removes everything that was made.
async fn clean(player: &Player, namespace: &str) {
    let core = format!("/api/v1/namespaces/{namespace}");
    let collections = [
        format!("/apis/source.toolkit.fluxcd.io/v1/namespaces/{namespace}/gitrepositories"),
        format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"),
        format!("{core}/configmaps"),
        format!("{core}/secrets"),
        format!("{core}/serviceaccounts"),
        format!("{core}/events"),
    ];
    for collection in &collections {
        let found = player.tell("GET", collection, "application/json", &Value::Null).await;
        for object in found["body"]["items"].as_array().into_iter().flatten() {
            let path = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap());
            if object["metadata"]["finalizers"].is_array() {
                player.tell("PATCH", &path, "application/merge-patch+json", &json!({"metadata": {"finalizers": null}})).await;
            }
            player.tell("DELETE", &path, "application/json", &Value::Null).await;
        }
    }
    player.tell("DELETE", &core, "application/json", &Value::Null).await;
    // Nobody else does that on a real API server that is alone.
    let mut left = player.tell("GET", &core, "application/json", &Value::Null).await;
    if left["body"]["spec"]["finalizers"].is_array() {
        left["body"]["spec"]["finalizers"] = json!([]);
        player.tell("PUT", &format!("{core}/finalize"), "application/json", &left["body"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real API server"]
async fn what_kubectl_sends_is_answered_as_by_a_real_server() {
    compare("kubectl", "conf", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real API server"]
async fn what_kube_sends_is_answered_as_by_a_real_server() {
    compare("kube-rs", "conf-rs", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real API server"]
async fn bad_input_is_refused_as_by_a_real_server() {
    let (sources, maps) =
        ("/apis/source.toolkit.fluxcd.io/v1/namespaces/conf-bad/gitrepositories", "/api/v1/namespaces/conf-bad/configmaps");
    let large = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "a".repeat(3 << 20)}}).to_string();
    let deep = |count| format!("{}{}", "{\"a\":".repeat(count), "}".repeat(count));
    let more = [
        Recorded::post("a body that is too large", sources, large.clone()),
        Recorded::post("a body that is too large, built in", maps, large),
        Recorded::post("a body that is nested too deep", sources, deep(20_000)),
    ];
    compare("refusals", "conf-bad", &more).await;
}

#[test]
fn what_differs_on_purpose_is_told() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/api-server.md")).unwrap();
    let page: Vec<_> = page.split_whitespace().collect();
    let page = page.join(" ");
    for known in DIFFERENCES {
        assert!(page.contains(known.reason), "docs/api-server.md does not say: {}", known.reason);
    }
}
