//! HelmCharts out of registries: versions, who may pull, and registries that mean harm.

mod access;
mod dependencies;
mod front;
mod hostile;
mod providers;
mod verify;
mod versions;

use headwater_testing::{charts::chart, registry::Registry};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    cluster::Server,
    namespace::{Namespace, condition, message, status_is},
    world::World,
};

/// Where a namespace's repositories of charts are made.
fn repositories(world: &World) -> Namespace {
    world.space.of("HelmRepository")
}

/// Where a namespace's charts are made.
fn charts(world: &World) -> Namespace {
    world.space.of("HelmChart")
}

/// The spec of a repository in a registry, which is spoken to in the clear.
fn in_clear(address: &str, folder: &str) -> Value {
    json!({"type": "oci", "url": format!("oci://{address}/{folder}"), "insecure": true})
}

/// `spec` with more fields.
fn with(mut spec: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

/// The spec of the chart `podinfo` from the repository `source`.
fn podinfo(source: &str, version: &str) -> Value {
    json!({"chart": "podinfo", "version": version, "sourceRef": {"kind": "HelmRepository", "name": source}})
}

/// Makes a repository and, of the same name, a chart from it.
async fn order(world: &World, name: &str, repository: Value, version: &str) {
    repositories(world).source(name, repository).await;
    charts(world).source(name, podinfo(name, version)).await;
}

/// Pushes versions of `podinfo`.
async fn push(registry: &Registry, folder: &str, versions: &[&str]) {
    for version in versions {
        registry.push_chart(folder, "podinfo", version, &archive(version)).await;
    }
}

/// The archive of `podinfo` of a version.
fn archive(version: &str) -> Vec<u8> {
    chart("podinfo", version, &[("values.yaml", "replicas: 1\nimage: one\n"), ("prod.yaml", "replicas: 3\n")])
}

/// Waits until a chart could not be pulled, and answers why. It has no artifact, and will be tried again.
async fn unpulled(world: &World, name: &str) -> String {
    let object = charts(world).failed(name, "ChartPullError").await;
    let text = failed(&object);
    assert_eq!(condition(&object, "FetchFailed").unwrap()["reason"], "ChartPullError");
    let event = world.space.event(name, "ChartPullError").await;
    assert!(event["type"] == "Warning" && event["message"].as_str().unwrap().starts_with("chart pull error: "), "{event}");
    text.strip_prefix("chart pull error: ").unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// Waits until a chart could not be had because of who asked for it, and answers why.
async fn not_let_in(world: &World, name: &str) -> String {
    let object = charts(world).failed(name, "Unknown").await;
    let text = failed(&object);
    assert_eq!(condition(&object, "FetchFailed").unwrap()["reason"], "Unknown");
    let event = world.space.event(name, "AuthenticationFailed").await;
    let text = text.strip_prefix("unknown build error: ").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(event["message"], text);
    text.to_owned()
}

fn failed(object: &Value) -> String {
    assert!(status_is(object, "FetchFailed", "True") && status_is(object, "Reconciling", "True"), "{}", object["status"]);
    assert!(condition(object, "Stalled").is_none() && object["status"]["artifact"].is_null(), "{}", object["status"]);
    let text = message(object, "FetchFailed");
    assert_eq!(message(object, "Ready"), text);
    assert!(text.len() < 2_048 && !text.contains(|c: char| c.is_control()), "{text:?}");
    text.to_owned()
}

/// Creates a Secret with a Docker configuration.
async fn docker_secret(server: &Server, world: &World, name: &str, auths: &Value) {
    let api: Api<Secret> = Api::namespaced(server.client().await, &world.space.name);
    let config = ByteString(json!({"auths": auths}).to_string().into_bytes());
    let secret = Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        type_: Some("kubernetes.io/dockerconfigjson".to_owned()),
        data: Some([(".dockerconfigjson".to_owned(), config)].into()),
        ..Secret::default()
    };
    api.create(&PostParams::default(), &secret).await.unwrap();
}

/// Panics when one of these is anywhere to be read: in a status, an event, the log.
async fn tells_none_of(world: &World, log: &str, names: &[&str], secrets: &[&str]) {
    let mut told = log.to_owned() + &Value::from(world.space.events().await).to_string();
    told += &Value::from(world.controller.events.posted()).to_string();
    for name in names {
        told += &charts(world).get(name).await.unwrap()["status"].to_string();
        told += &repositories(world).get(name).await.unwrap_or_default()["status"].to_string();
    }
    for secret in secrets {
        if let Some(at) = told.find(secret) {
            panic!("{secret} shows after: {}", String::from_utf8_lossy(&told.as_bytes()[at.saturating_sub(300)..at]));
        }
    }
}
