//! Charts in Git that need charts in registries.

use headwater_testing::{
    process::Process,
    registry::{self, Access, Options, PASSWORD, USER},
    tls::Authority,
};
use serde_json::json;

use super::{charts, in_clear, push, repositories, with};
use crate::support::{
    artifact::{files, listing},
    cluster::{Server, on_each_server},
    namespace::{condition, message},
    world::World,
};

/// Puts a chart into Git that needs `podinfo` from a registry, and an object for it.
async fn order(world: &World, name: &str, address: &str, folder: &str, version: &str) {
    let needs = format!("dependencies:\n- name: podinfo\n  version: \"{version}\"\n  repository: oci://{address}/{folder}\n");
    let chart = format!("apiVersion: v2\nname: app\nversion: 0.3.0\n{needs}");
    let repository = format!("{name}.git");
    world.git.repository(&repository).commit(&[("app/Chart.yaml", &chart), ("app/values.yaml", "a: 1\n")]);
    world.space.source(name, json!({"url": world.git.url(&repository), "ref": {"branch": "main"}})).await;
    charts(world).source(name, json!({"chart": "app", "sourceRef": {"kind": "GitRepository", "name": name}})).await;
}

async fn brings_podinfo(world: &World, name: &str) {
    let object = charts(world).ready_at(name, "0.3.0").await;
    assert_eq!(message(&object, "Ready"), "packaged 'app' chart with version '0.3.0'");
    let listing = listing(&object).await;
    let files = files(&listing);
    assert!(files.contains(&"app/charts/podinfo/Chart.yaml"), "{files:?}");
    let chart = String::from_utf8(listing["app/charts/podinfo/Chart.yaml"].content.clone()).unwrap();
    assert!(chart.contains("version: 1.1.0"), "{chart}");
    let event = world.space.event(name, "ResolvedDependencies").await;
    assert_eq!(event["message"], "resolved 1 chart dependencies");
}

async fn unresolved(world: &World, name: &str) -> String {
    let object = charts(world).failed(name, "DependencyBuildError").await;
    assert_eq!(condition(&object, "BuildFailed").unwrap()["status"], "True");
    let text = message(&object, "BuildFailed");
    let text = text.strip_prefix("dependency build error: failed to add remote dependency 'podinfo': ");
    text.unwrap_or_else(|| panic!("{}", object["status"])).to_owned()
}

on_each_server!(a_dependency_in_a_registry_needs_no_object);
async fn a_dependency_in_a_registry_needs_no_object(api: &Server) {
    let authority = Authority::new();
    let Some(server) = registry::start(Options { authority: Some(&authority), ..Options::default() }) else { return };
    push(&server, "charts", &["1.0.0", "1.1.0"]).await;
    let Some(clear) = registry::start(Options::default()) else { return };
    push(&clear, "charts", &["1.1.0"]).await;
    // The machine itself trusts the authority: no object says so.
    let world = World::idle(api, "oci-needs", &[]).await;
    let trusted = world.folder.path().join("trusted.crt");
    std::fs::write(&trusted, authority.pem()).unwrap();
    let mut process = Process::new(world.folder.path().join("trusting.log"));
    process.spawn(world.controller.command().env("SSL_CERT_FILE", &trusted));
    order(&world, "range", &server.address, "charts", "1.x").await;
    order(&world, "clear", &clear.address, "charts", "1.1.0").await;
    order(&world, "missing", &server.address, "charts", "7.x").await;
    order(&world, "nowhere", &server.address, "none", "1.1.0").await;
    brings_podinfo(&world, "range").await;
    let from = |address: &str| format!("failed to get chart 'podinfo' version '7.x' from 'oci://{address}/charts': ");
    let expected = format!("{}could not locate a version matching provided version string 7.x", from(&server.address));
    assert_eq!(unresolved(&world, "missing").await, expected);
    let what = format!("{}/none/podinfo:1.1.0", server.address);
    let expected = format!("'oci://{what}': failed to perform \"FetchReference\" on source: {what}: not found");
    assert_eq!(unresolved(&world, "nowhere").await, format!("chart download of version '1.1.0' failed: failed to get {expected}"));
    // Nobody asked to speak in the clear.
    let text = unresolved(&world, "clear").await;
    assert!(text.contains(&format!("Get \"https://{}/v2/charts/podinfo/manifests/1.1.0\": ", clear.address)), "{text}");
}

on_each_server!(a_dependency_is_pulled_as_the_object_of_its_registry_says);
async fn a_dependency_is_pulled_as_the_object_of_its_registry_says(api: &Server) {
    let Some(server) = registry::start(Options { access: Access::Token, ..Options::default() }) else { return };
    push(&server, "charts", &["1.0.0", "1.1.0"]).await;
    push(&server, "others", &["1.1.0"]).await;
    let world = World::new(api, "oci-reused").await;
    world.space.secret("s", &[("username", USER), ("password", PASSWORD)]).await;
    let spec = with(in_clear(&server.address, "charts"), &json!({"secretRef": {"name": "s"}}));
    repositories(&world).source("registry", spec).await;
    order(&world, "range", &server.address, "charts", ">=1.0.0").await;
    // A slash at the end makes no other repository; another folder does.
    order(&world, "slash", &server.address, "charts/", "1.1.0").await;
    order(&world, "others", &server.address, "others", "1.1.0").await;
    brings_podinfo(&world, "range").await;
    brings_podinfo(&world, "slash").await;
    let text = unresolved(&world, "others").await;
    assert!(text.contains("Get \"https://"), "{text}");
    assert!(!world.controller.log().contains(PASSWORD));
}
