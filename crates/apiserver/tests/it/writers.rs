//! Many writers of one object.

use futures::{StreamExt as _, stream};
use headwater_testing::kubernetes::rest::{APPLY, Answer, JSON_PATCH, MAPS, map, version};
use serde_json::{Value, json};

use crate::support::Embedded;

const CLIENTS: u64 = 50;
const EACH: u64 = 2;

fn counter(object: &Value) -> u64 {
    object["data"]["value"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_update_is_lost_that_names_the_version_it_was_computed_from() {
    let server = Embedded::start().await;
    let (api, path) = (&server.api, &format!("{MAPS}/counter"));
    api.post(MAPS, &map("counter", "0")).await.ok();
    let again = async |write: &(dyn Fn(Value) -> futures::future::BoxFuture<'static, Answer> + Sync)| {
        for _ in 0..EACH {
            loop {
                let answer = write(api.get(path).await.ok()).await;
                match answer.code {
                    200 => break,
                    409 | 422 => {}
                    _ => panic!("{}", answer.body),
                }
            }
        }
    };
    let put = |mut object: Value| -> futures::future::BoxFuture<'static, Answer> {
        let (api, path) = (api.clone(), path.clone());
        object["data"]["value"] = (counter(&object) + 1).to_string().into();
        Box::pin(async move { api.put(&path, &object).await })
    };
    stream::iter(0..CLIENTS).for_each_concurrent(None, async |_| again(&put).await).await;
    assert_eq!(counter(&api.get(path).await.ok()), CLIENTS * EACH);

    let tested = |object: Value| -> futures::future::BoxFuture<'static, Answer> {
        let (api, path) = (api.clone(), path.clone());
        let value = &object["data"]["value"];
        let next = (counter(&object) + 1).to_string();
        let change =
            json!([{"op": "test", "path": "/data/value", "value": value}, {"op": "replace", "path": "/data/value", "value": next}]);
        Box::pin(async move { api.patch(&path, JSON_PATCH, &change).await })
    };
    stream::iter(0..CLIENTS).for_each_concurrent(None, async |_| again(&tested).await).await;
    assert_eq!(counter(&api.get(path).await.ok()), 2 * CLIENTS * EACH);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_creates_wins_and_one_of_many_deletes() {
    let server = Embedded::start().await;
    let api = &server.api;
    let codes = stream::iter(0..40)
        .map(async |n| api.post(MAPS, &map("x", &format!("{n}"))).await.code)
        .buffer_unordered(40)
        .collect::<Vec<_>>()
        .await;
    assert_eq!((codes.iter().filter(|code| **code == 201).count(), codes.iter().filter(|code| **code == 409).count()), (1, 39));
    let path = &format!("{MAPS}/x");
    let codes = stream::iter(0..40).map(async |_| api.delete(path).await.code).buffer_unordered(40).collect::<Vec<_>>().await;
    assert_eq!((codes.iter().filter(|code| **code == 200).count(), codes.iter().filter(|code| **code == 404).count()), (1, 39));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_managers_apply_at_once_and_each_owns_its_own() {
    let server = Embedded::start().await;
    let (api, path) = (&server.api, &format!("{MAPS}/x"));
    let config = |number: usize| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": {format!("l{number}"): "a"}}, "data": {format!("k{number}"): "v"}});
    let apply = async |number: usize| loop {
        let answer = api.patch(&format!("{path}?fieldManager=m{number}"), APPLY, &config(number)).await;
        match answer.code {
            200 | 201 => return,
            409 => {}
            _ => panic!("{}", answer.body),
        }
    };
    stream::iter(0..10).for_each_concurrent(None, apply).await;
    let object = api.get(path).await.ok();
    assert_eq!(object["data"].as_object().unwrap().len(), 10);
    assert_eq!(object["metadata"]["labels"].as_object().unwrap().len(), 10);
    let managers = object["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(managers.len(), 10);
    for manager in managers {
        let number = manager["manager"].as_str().unwrap().trim_start_matches('m');
        assert_eq!(
            manager["fieldsV1"],
            json!({"f:data": {format!("f:k{number}"): {}}, "f:metadata": {"f:labels": {format!("f:l{number}"): {}}}})
        );
    }
    // Again: nothing changes.
    stream::iter(0..10).for_each_concurrent(None, apply).await;
    assert_eq!(version(&api.get(path).await.ok()), version(&object));
    // What another owns is a conflict, unless it is forced.
    let mut taken = config(3);
    taken["data"]["k4"] = "mine".into();
    let message = api.patch(&format!("{path}?fieldManager=m3"), APPLY, &taken).await.refusal(409);
    assert!(message.contains("conflict with \"m4\""), "{message}");
    api.patch(&format!("{path}?fieldManager=m3&force=true"), APPLY, &taken).await.ok();
    // What its manager no longer applies goes.
    taken["data"] = json!({});
    let object = api.patch(&format!("{path}?fieldManager=m3"), APPLY, &taken).await.ok();
    assert!(object["data"]["k3"].is_null() && object["data"]["k4"].is_null() && object["data"]["k5"] == "v", "{object}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_are_defined_at_once_are_all_served_as_soon_as_that_is_answered() {
    let server = Embedded::start().await;
    let api = &server.api;
    let definition = |n: usize| {
        json!({"metadata": {"name": format!("k{n}s.example.com")}, "spec": {
            "group": "example.com", "scope": "Cluster", "names": {"plural": format!("k{n}s"), "kind": format!("K{n}")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        }})
    };
    stream::iter(0..16)
        .for_each_concurrent(None, async |n| {
            api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition(n)).await.ok();
            assert_eq!(api.get(&format!("/apis/example.com/v1/k{n}s")).await.ok()["items"], json!([]));
        })
        .await;
    for n in 0..16 {
        assert_eq!(api.get(&format!("/apis/example.com/v1/k{n}s")).await.ok()["items"], json!([]));
    }
    server.stop().await;
}
