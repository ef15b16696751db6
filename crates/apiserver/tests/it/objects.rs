//! Promises to every object: generation, version, status, dry runs, generated names.

use axum::http::Method;
use headwater_testing::kubernetes::rest::{APPLY, JSON_PATCH, MAPS, MERGE, map, version};
use serde_json::{Value, json};

use crate::support::Embedded;

const THINGS: &str = "/apis/example.com/v1/namespaces/default/things";

fn thing(name: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, "spec": {"a": 1}, "status": {"seen": 1}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_generation_counts_changes_of_the_specification_alone() {
    let server = Embedded::start().await;
    let api = &server.api;
    server.define_things().await;
    let created = api.post(THINGS, &thing("x")).await.ok();
    assert_eq!((&created["metadata"]["generation"], &created["status"]), (&json!(1), &Value::Null));
    let path = &format!("{THINGS}/x");
    for (path, change, generation) in [
        (path.clone(), json!({"metadata": {"labels": {"a": "b"}}}), 1),
        (path.clone(), json!({"spec": {"a": 2}}), 2),
        (path.clone(), json!({"spec": {"a": 2}}), 2),
        (path.clone(), json!({"status": {"seen": 5}}), 2),
        (format!("{path}/status"), json!({"status": {"seen": 6}, "spec": {"a": 3}}), 2),
        (path.clone(), json!({"metadata": {"generation": 77, "uid": null, "creationTimestamp": null}}), 2),
    ] {
        let object = api.patch(&path, MERGE, &change).await.ok();
        assert_eq!(object["metadata"]["generation"], generation, "{change}");
        assert_eq!(object["metadata"]["uid"], created["metadata"]["uid"]);
        assert_eq!(object["metadata"]["creationTimestamp"], created["metadata"]["creationTimestamp"]);
    }
    let object = api.get(path).await.ok();
    assert_eq!((&object["spec"]["a"], &object["status"]["seen"]), (&json!(2), &json!(6)));
    assert_eq!(api.get(&format!("{path}/status")).await.ok(), object);
    // A whole new state leaves the status alone, and the status the rest.
    let mut other = object.clone();
    (other["spec"]["a"], other["status"]) = (json!(9), Value::Null);
    let object = api.put(path, &other).await.ok();
    assert_eq!((&object["spec"]["a"], &object["status"]["seen"]), (&json!(9), &json!(6)));
    let mut other = object.clone();
    (other["spec"]["a"], other["status"]) = (json!(1), json!({"seen": 8}));
    let object = api.put(&format!("{path}/status"), &other).await.ok();
    assert_eq!((&object["spec"]["a"], &object["status"]["seen"]), (&json!(9), &json!(8)));
    let mut foreign = object.clone();
    foreign["metadata"]["uid"] = "other".into();
    let refused = api.put(path, &foreign).await;
    assert!([409, 422].contains(&refused.code), "{}", refused.body);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_computed_from_an_old_version_is_a_conflict() {
    let server = Embedded::start().await;
    let api = &server.api;
    let path = &format!("{MAPS}/x");
    let old = api.post(MAPS, &map("x", "1")).await.ok();
    let new = api.patch(path, MERGE, &json!({"data": {"value": "2"}})).await.ok();
    assert!(version(&new) > version(&old));
    let message = api.put(path, &old).await.refusal(409);
    assert_eq!(
        message,
        "Operation cannot be fulfilled on configmaps \"x\": the object has been modified; please apply your changes to the latest version and try again"
    );
    let stale = json!({"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {"value": "3"}});
    api.patch(path, MERGE, &stale).await.refusal(409);
    let stale = json!([{"op": "replace", "path": "/metadata/resourceVersion", "value": old["metadata"]["resourceVersion"]}]);
    api.patch(path, JSON_PATCH, &stale).await.refusal(409);
    for precondition in [json!({"resourceVersion": old["metadata"]["resourceVersion"]}), json!({"uid": "other"})] {
        api.send(Method::DELETE, path, &json!({"preconditions": precondition})).await.refusal(409);
    }
    assert_eq!(api.get(path).await.ok(), new);
    let met = json!({"preconditions": {"resourceVersion": new["metadata"]["resourceVersion"], "uid": new["metadata"]["uid"]}});
    api.send(Method::DELETE, path, &met).await.ok();
    // The next one of that name is another object.
    let next = api.post(MAPS, &map("x", "1")).await.ok();
    assert!(next["metadata"]["uid"] != old["metadata"]["uid"] && version(&next) > version(&new));
    api.put(path, &new).await.refusal(409);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_answers_and_leaves_nothing_behind() {
    let server = Embedded::start().await;
    let api = &server.api;
    api.post(MAPS, &map("x", "1")).await.ok();
    let before = api.get("/api/v1/configmaps").await.ok();
    let path = format!("{MAPS}/x");
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "z"}, "data": {"value": "9"}});
    assert_eq!(api.post(&format!("{MAPS}?dryRun=All"), &map("y", "9")).await.ok()["data"]["value"], "9");
    api.post(&format!("{MAPS}?dryRun=All"), &map("x", "9")).await.refusal(409);
    assert_eq!(api.put(&format!("{path}?dryRun=All"), &map("x", "9")).await.ok()["data"]["value"], "9");
    assert_eq!(api.patch(&format!("{path}?dryRun=All"), MERGE, &json!({"data": {"value": "9"}})).await.ok()["data"]["value"], "9");
    assert_eq!(api.patch(&format!("{MAPS}/z?dryRun=All&fieldManager=m"), APPLY, &config).await.ok()["data"]["value"], "9");
    api.delete(&format!("{path}?dryRun=All")).await.ok();
    api.send(Method::DELETE, &path, &json!({"dryRun": ["All"]})).await.ok();
    api.delete(&format!("{MAPS}?dryRun=All")).await.ok();
    api.delete("/api/v1/namespaces/flux-system?dryRun=All").await.ok();
    assert_eq!(api.get("/api/v1/configmaps").await.ok(), before, "nor is the version counted on");
    assert_eq!(api.get("/api/v1/namespaces/flux-system").await.ok()["status"]["phase"], "Active");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_generated_and_checked() {
    let server = Embedded::start().await;
    let api = &server.api;
    let generated = json!({"metadata": {"generateName": "some-"}});
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let object = api.post(MAPS, &generated).await.ok();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        assert!(name.len() == 10 && name.starts_with("some-"), "{name}");
        names.insert(name);
    }
    assert_eq!(names.len(), 20);
    let long = json!({"metadata": {"generateName": "a".repeat(250)}});
    assert_eq!(api.post(MAPS, &long).await.ok()["metadata"]["name"].as_str().unwrap().len(), 253);
    for name in ["A", "a_b", "-a", "a.", "a b", "ä", "a/b", "..", "a\u{0}", &"a".repeat(254)] {
        api.post(MAPS, &map(name, "")).await.refusal(422);
    }
    api.post(MAPS, &json!({"metadata": {}})).await.refusal(422);
    api.post(MAPS, &json!({"metadata": {"name": "x", "resourceVersion": "7"}})).await.refusal(500);
    api.post(MAPS, &json!({"metadata": {"name": "x", "namespace": "other"}})).await.refusal(400);
    api.post("/api/v1/namespaces/none/configmaps", &map("x", "")).await.refusal(404);
    api.put(&format!("{MAPS}/y"), &map("x", "")).await.refusal(400);
    server.stop().await;
}
