//! Objects that are deleted with something else.

use axum::http::Method;
use futures::{StreamExt as _, stream};
use headwater_apiserver::{Place, testing::Garbage};
use headwater_testing::{
    eventually,
    kubernetes::rest::{MAPS, MERGE, SOON, map},
};
use serde_json::{Value, json};

use crate::support::Embedded;

const THINGS: &str = "/apis/example.com/v1/namespaces/default/things";
const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com";

fn owned(name: &str, owners: &[&Value]) -> Value {
    let owners: Vec<_> = owners
        .iter()
        .map(|owner| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true}))
        .collect();
    json!({"metadata": {"name": name, "ownerReferences": owners}})
}

fn held(name: &str) -> Value {
    json!({"metadata": {"name": name, "finalizers": ["example.com/hold"]}})
}

fn release() -> Value {
    json!({"metadata": {"finalizers": null}})
}

/// Longer than the collector needs for anything.
async fn a_while() {
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_is_emptied_and_goes() {
    let server = Embedded::start().await;
    server.define_things().await;
    let api = &server.api;
    api.post("/api/v1/namespaces", &json!({"metadata": {"name": "n"}})).await.ok();
    let within = "/api/v1/namespaces/n";
    for number in 0..30 {
        api.post(&format!("{within}/configmaps"), &map(&format!("m{number}"), "")).await.ok();
        api.post(&format!("{within}/secrets"), &json!({"metadata": {"name": format!("s{number}")}})).await.ok();
    }
    let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}});
    api.post("/apis/example.com/v1/namespaces/n/things", &thing).await.ok();
    api.post(&format!("{within}/configmaps"), &held("held")).await.ok();
    api.post(MAPS, &map("other", "")).await.ok();

    let deleted = api.delete(within).await.ok();
    assert_eq!(deleted["status"]["phase"], "Terminating");
    let refused = api.post(&format!("{within}/configmaps"), &map("late", "")).await;
    assert!([403, 404].contains(&refused.code), "{}", refused.body);
    eventually(SOON, async || {
        let left = api.get(&format!("{within}/configmaps")).await.ok()["items"].as_array().unwrap().len();
        if left == 1 { Ok(()) } else { Err(format!("{left} left")) }
    })
    .await;
    assert_eq!(api.get(within).await.ok()["status"]["phase"], "Terminating", "a finalizer holds one object, and that the namespace");
    api.patch(&format!("{within}/configmaps/held"), MERGE, &release()).await.ok();
    api.wait_gone(within).await;
    for path in ["/api/v1/secrets", "/apis/example.com/v1/things"] {
        assert_eq!(api.get(path).await.ok()["items"], json!([]), "{path}");
    }
    api.get(&format!("{MAPS}/other")).await.ok();
    api.post("/api/v1/namespaces", &json!({"metadata": {"name": "n"}})).await.ok();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_in_a_namespace_that_went_while_it_was_written_to() {
    let server = Embedded::start().await;
    let api = &server.api;
    for round in 0..5 {
        let within = format!("/api/v1/namespaces/n{round}");
        api.post("/api/v1/namespaces", &json!({"metadata": {"name": format!("n{round}")}})).await.ok();
        let writing = stream::iter(0..60).for_each_concurrent(20, async |number| {
            let answer = api.post(&format!("{within}/configmaps"), &map(&format!("m{number}"), "")).await;
            assert!([201, 403, 404].contains(&answer.code), "{}", answer.body);
        });
        let deleting = async {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            api.delete(&within).await.ok();
            api.wait_gone(&within).await;
        };
        tokio::join!(writing, deleting);
    }
    eventually(SOON, async || {
        let left = api.get("/api/v1/configmaps").await.ok()["items"].clone();
        if left == json!([]) { Ok(()) } else { Err(format!("left: {left}")) }
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_with_their_definition() {
    let server = Embedded::start().await;
    server.define_things().await;
    let api = &server.api;
    let thing = |name: &str| json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}});
    for name in ["a", "b"] {
        api.post(THINGS, &thing(name)).await.ok();
    }
    let mut one = thing("held");
    one["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let owner = api.post(THINGS, &one).await.ok();
    let mut dependent = owned("dependent", &[&owner]);
    (dependent["metadata"]["ownerReferences"][0]["apiVersion"], dependent["metadata"]["ownerReferences"][0]["kind"]) =
        (json!("example.com/v1"), json!("Thing"));
    api.post(MAPS, &dependent).await.ok();
    api.delete(DEFINITION).await.ok();
    api.wait_gone(&format!("{THINGS}/a")).await;
    api.get(DEFINITION).await.ok();
    api.patch(&format!("{THINGS}/held"), MERGE, &release()).await.ok();
    api.wait_gone(DEFINITION).await;
    api.wait_gone(&format!("{MAPS}/dependent")).await;
    api.wait_gone(THINGS).await;
    // Defined again, there are none.
    server.define_things().await;
    assert_eq!(api.get(THINGS).await.ok()["items"], json!([]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_object_owns_goes_with_it_or_stays_as_asked_for() {
    let server = Embedded::start().await;
    let api = &server.api;
    let delete = async |name: &str, policy: &str| {
        api.send(Method::DELETE, &format!("{MAPS}/{name}"), &json!({"propagationPolicy": policy})).await.ok();
    };
    for policy in ["Background", "Foreground", "Orphan"] {
        let owner = api.post(MAPS, &map("owner", "")).await.ok();
        let child = api.post(MAPS, &owned("child", &[&owner])).await.ok();
        api.post(MAPS, &owned("grandchild", &[&child])).await.ok();
        delete("owner", policy).await;
        api.wait_gone(&format!("{MAPS}/owner")).await;
        if policy == "Orphan" {
            a_while().await;
            let child = api.get(&format!("{MAPS}/child")).await.ok();
            assert!(child["metadata"]["ownerReferences"].is_null(), "{child}");
            delete("child", "Background").await;
        }
        api.wait_gone(&format!("{MAPS}/child")).await;
        api.wait_gone(&format!("{MAPS}/grandchild")).await;
    }

    // In the foreground the owner waits for what it owns.
    let owner = api.post(MAPS, &map("owner", "")).await.ok();
    let mut child = owned("child", &[&owner]);
    child["metadata"]["finalizers"] = json!(["example.com/hold"]);
    api.post(MAPS, &child).await.ok();
    delete("owner", "Foreground").await;
    eventually(SOON, async || {
        let child = api.get(&format!("{MAPS}/child")).await.ok();
        if child["metadata"]["deletionTimestamp"].is_string() { Ok(()) } else { Err("it is not deleted".to_owned()) }
    })
    .await;
    let waiting = api.get(&format!("{MAPS}/owner")).await.ok();
    assert_eq!(waiting["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    api.patch(&format!("{MAPS}/child"), MERGE, &release()).await.ok();
    api.wait_gone(&format!("{MAPS}/owner")).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_two_owners_goes_with_the_last() {
    let server = Embedded::start().await;
    let api = &server.api;
    for policy in ["Background", "Foreground"] {
        let (a, b) = (api.post(MAPS, &map("a", "")).await.ok(), api.post(MAPS, &map("b", "")).await.ok());
        api.post(MAPS, &owned("child", &[&a, &b])).await.ok();
        api.send(Method::DELETE, &format!("{MAPS}/a"), &json!({"propagationPolicy": policy})).await.ok();
        api.wait_gone(&format!("{MAPS}/a")).await;
        eventually(SOON, async || {
            let answer = api.get(&format!("{MAPS}/child")).await;
            let owners = answer.body["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
            if answer.code == 200 && owners == 1 { Ok(()) } else { Err(format!("{policy}: {}", answer.body)) }
        })
        .await;
        a_while().await;
        api.get(&format!("{MAPS}/child")).await.ok();
        api.send(Method::DELETE, &format!("{MAPS}/b"), &json!({"propagationPolicy": policy})).await.ok();
        api.wait_gone(&format!("{MAPS}/child")).await;
        api.wait_gone(&format!("{MAPS}/b")).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_not_there_is_no_owner() {
    let server = Embedded::start().await;
    let api = &server.api;
    let there = api.post(MAPS, &map("there", "")).await.ok();
    let none = json!({"metadata": {"name": "none", "uid": "none"}});
    let mut impostor = there.clone();
    impostor["metadata"]["uid"] = "other".into();
    api.post(MAPS, &owned("stays", &[&there])).await.ok();
    api.post(MAPS, &owned("a", &[&none])).await.ok();
    api.post(MAPS, &owned("b", &[&impostor])).await.ok();
    // An owner in another namespace is none.
    api.post("/api/v1/namespaces/kube-system/configmaps", &owned("c", &[&there])).await.ok();
    // Nor is one that is named afterwards.
    api.post(MAPS, &map("d", "")).await.ok();
    api.patch(&format!("{MAPS}/d"), MERGE, &owned("d", &[&none])).await.ok();
    // Nobody knows whether an object of an unknown kind is there; and what is in no namespace has no owner in one.
    let mut unknown = owned("unknown", &[&none]);
    unknown["metadata"]["ownerReferences"][0]["kind"] = "Deployment".into();
    api.post(MAPS, &unknown).await.ok();
    let namespace = owned("owned-by-a-map", &[&there]);
    api.post("/api/v1/namespaces", &namespace).await.ok();
    for path in [
        "/api/v1/namespaces/default/configmaps/a",
        "/api/v1/namespaces/default/configmaps/b",
        "/api/v1/namespaces/kube-system/configmaps/c",
        "/api/v1/namespaces/default/configmaps/d",
    ] {
        api.wait_gone(path).await;
    }
    a_while().await;
    for path in [
        "/api/v1/namespaces/default/configmaps/stays",
        "/api/v1/namespaces/default/configmaps/unknown",
        "/api/v1/namespaces/owned-by-a-map",
    ] {
        let object = api.get(path).await.ok();
        assert!(object["metadata"]["deletionTimestamp"].is_null() && object["metadata"]["ownerReferences"].is_array(), "{object}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_holds_an_object_until_it_is_taken_away() {
    let server = Embedded::start().await;
    let api = &server.api;
    let path = format!("{MAPS}/x");
    api.post(MAPS, &held("x")).await.ok();
    let first = api.delete(&path).await.ok();
    assert!(first["metadata"]["deletionTimestamp"].is_string() && first["metadata"]["deletionGracePeriodSeconds"] == 0, "{first}");
    let again = api.delete(&path).await.ok();
    assert_eq!(first, again, "deleting it again changes nothing");
    api.post(MAPS, &map("x", "")).await.refusal(409);
    // It can be changed, but no longer be held by more.
    api.patch(&path, MERGE, &json!({"data": {"value": "2"}})).await.ok();
    let more = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
    assert!(api.patch(&path, MERGE, &more).await.refusal(422).contains("no new finalizers"));
    api.patch(&path, MERGE, &json!({"metadata": {"deletionTimestamp": null}})).await.ok();
    assert!(api.get(&path).await.ok()["metadata"]["deletionTimestamp"].is_string());
    api.patch(&path, MERGE, &release()).await.ok();
    assert_eq!(api.get(&path).await.code, 404);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_undone_at_the_end_is_done_after_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let place = || Place::Folder(folder.path().to_owned());
    let idle = Embedded::at(place(), Garbage::Left).await;
    let api = &idle.api;
    for (owner, policy) in [
        ("z-background", "Background"),
        ("a-foreground", "Foreground"),
        ("z-foreground", "Foreground"),
        ("a-orphan", "Orphan"),
        ("z-orphan", "Orphan"),
    ] {
        let object = api.post(MAPS, &map(owner, "")).await.ok();
        api.post(MAPS, &owned(&format!("m-of-{owner}"), &[&object])).await.ok();
        let secret = owned(&format!("of-{owner}"), &[&object]);
        api.post("/api/v1/namespaces/default/secrets", &secret).await.ok();
        api.send(Method::DELETE, &format!("{MAPS}/{owner}"), &json!({"propagationPolicy": policy})).await.ok();
    }
    api.post("/api/v1/namespaces", &json!({"metadata": {"name": "n"}})).await.ok();
    api.post("/api/v1/namespaces/n/configmaps", &map("x", "")).await.ok();
    api.delete("/api/v1/namespaces/n").await.ok();
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"namespace": "default"}, "lastTimestamp": "2020-01-01T00:00:00Z"});
    api.post("/api/v1/namespaces/default/events", &event).await.ok();
    let event = json!({"metadata": {"name": "new"}, "involvedObject": {"namespace": "default"}});
    api.post("/api/v1/namespaces/default/events", &event).await.ok();
    idle.stop().await;

    let server = Embedded::at(place(), Garbage::Collected).await;
    let api = &server.api;
    for owner in ["z-background", "a-foreground", "z-foreground"] {
        api.wait_gone(&format!("{MAPS}/m-of-{owner}")).await;
        api.wait_gone(&format!("/api/v1/namespaces/default/secrets/of-{owner}")).await;
        api.wait_gone(&format!("{MAPS}/{owner}")).await;
    }
    api.wait_gone("/api/v1/namespaces/n").await;
    api.wait_gone("/api/v1/namespaces/default/events/e").await;
    a_while().await;
    for owner in ["a-orphan", "z-orphan"] {
        api.wait_gone(&format!("{MAPS}/{owner}")).await;
        for path in [format!("{MAPS}/m-of-{owner}"), format!("/api/v1/namespaces/default/secrets/of-{owner}")] {
            assert!(api.get(&path).await.ok()["metadata"]["ownerReferences"].is_null(), "{path}");
        }
    }
    api.get("/api/v1/namespaces/default/events/new").await.ok();
    server.stop().await;
}
