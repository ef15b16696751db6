//! Watches: their events, their order and their end.

use headwater_testing::kubernetes::rest::{MAPS, MERGE, RestClient, map, version};
use serde_json::{Value, json};

use crate::support::Embedded;

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_every_change_in_order_and_ends_at_its_time() {
    let server = Embedded::start().await;
    let api = &server.api;
    let from = version(&api.get(MAPS).await.ok());
    api.post(MAPS, &map("a", "1")).await.ok();
    let path = format!("{MAPS}/a");
    api.patch(&path, MERGE, &json!({"data": {"value": "2"}})).await.ok();
    // What changes nothing is not told.
    api.patch(&path, MERGE, &json!({"data": {"value": "2"}})).await.ok();
    api.delete(&path).await.ok();
    let begin = std::time::Instant::now();
    let mut events = api.watch(MAPS, &format!("resourceVersion={from}&timeoutSeconds=1")).await;
    let mut last = from;
    for (kind, value) in [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")] {
        let (told, name, object) = events.event().await;
        assert_eq!((told.as_str(), name.as_str(), &object["data"]["value"]), (kind, "a", &json!(value)));
        assert!(version(&object) > last);
        last = version(&object);
    }
    assert_eq!(events.next().await, None);
    assert!((1..30).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());

    // A single object, watched by its name.
    let mut one = api.watch(MAPS, &format!("resourceVersion={last}&fieldSelector=metadata.name%3Da")).await;
    api.post(MAPS, &map("b", "1")).await.ok();
    api.post(MAPS, &map("a", "3")).await.ok();
    assert_eq!(one.event().await.1, "a");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_initial_state_ends_with_a_bookmark_of_its_version() {
    let server = Embedded::start().await;
    let api = &server.api;
    for name in ["a", "b", "c"] {
        api.post(MAPS, &map(name, "1")).await.ok();
    }
    let last = version(&api.post("/api/v1/namespaces", &json!({"metadata": {"name": "other"}})).await.ok());
    for query in ["resourceVersion=&", "resourceVersion=0&", &format!("resourceVersion={last}&")] {
        let query = format!("{query}sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
        let mut events = api.watch(MAPS, &query).await;
        for name in ["a", "b", "c"] {
            let (told, found, _) = events.event().await;
            assert_eq!((told.as_str(), found.as_str()), ("ADDED", name));
        }
        let (told, _, object) = events.event().await;
        assert_eq!((told.as_str(), version(&object)), ("BOOKMARK", last));
        assert_eq!(object["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
        assert_eq!((&object["kind"], &object["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    }
    // Without a version the state of now comes first, without its end being told.
    let mut events = api.watch(MAPS, "").await;
    for name in ["a", "b", "c"] {
        assert_eq!(events.event().await.1, name);
    }
    api.delete(&format!("{MAPS}/b")).await.ok();
    assert_eq!(events.event().await.0, "DELETED");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_into_a_selection_is_added_and_what_leaves_it_is_deleted() {
    let server = Embedded::start().await;
    let api = &server.api;
    let label = |value: Option<&str>| json!({"metadata": {"labels": {"team": value}}});
    api.post(MAPS, &map("x", "1")).await.ok();
    let from = version(&api.get(MAPS).await.ok());
    let path = format!("{MAPS}/x");
    for change in [label(Some("a")), json!({"data": {"value": "2"}}), label(Some("b")), label(Some("a")), label(None)] {
        api.patch(&path, MERGE, &change).await.ok();
    }
    api.delete(&path).await.ok();
    let told = async |selector: &str| {
        let mut events = api.watch(MAPS, &format!("resourceVersion={from}&timeoutSeconds=1&{selector}")).await;
        let mut told = Vec::new();
        while let Some(event) = events.next().await {
            told.push(event["type"].as_str().unwrap().to_owned());
        }
        told
    };
    assert_eq!(told("labelSelector=team%3Da").await, ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]);
    let (without, other, none) =
        tokio::join!(told("labelSelector=!team"), told("fieldSelector=metadata.name%3Dx"), told("fieldSelector=metadata.name%3Dy"));
    assert_eq!(without, ["DELETED", "ADDED", "DELETED"]);
    assert_eq!(other, ["MODIFIED", "MODIFIED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]);
    assert!(none.is_empty());
    server.stop().await;
}

/// Changes an object until the first of its versions are forgotten, which are remembered up to 64 MB.
async fn forget(api: &RestClient) {
    api.post(MAPS, &map("large", &"x".repeat(1_000_000))).await.ok();
    for number in 0..34 {
        let change = json!({"metadata": {"labels": {"n": number.to_string()}}});
        api.patch(&format!("{MAPS}/large"), MERGE, &change).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_far_behind_is_told_how_to_go_on() {
    let server = Embedded::start().await;
    let api = &server.api;
    for number in 0..10 {
        api.post(MAPS, &map(&format!("m{number}"), "")).await.ok();
    }
    let next = |page: &Value| page["metadata"]["continue"].as_str().unwrap().to_owned();
    let page = api.get(&format!("{MAPS}?limit=4")).await.ok();
    let (from, old) = (version(&page), next(&page));
    forget(api).await;
    api.post(MAPS, &map("m4a", "")).await.ok();

    let mut late = api.watch(MAPS, &format!("resourceVersion={from}")).await;
    let (told, _, status) = late.event().await;
    assert_eq!((told.as_str(), &status["code"], &status["reason"]), ("ERROR", &json!(410), &json!("Expired")));
    assert_eq!(late.next().await, None);
    api.get(&format!("{MAPS}?resourceVersion={from}&resourceVersionMatch=Exact&limit=1")).await.refusal(410);
    let list = api.get(MAPS).await.ok();
    let mut again = api.watch(MAPS, &format!("resourceVersion={}", version(&list))).await;
    api.delete(&format!("{MAPS}/m0")).await.ok();
    assert_eq!(again.event().await.0, "DELETED");

    // A list that was read in part goes on at the version of now.
    let answer = api.get(&format!("{MAPS}?limit=4&continue={old}")).await;
    let next = next(&answer.body);
    assert!(answer.refusal(410).contains("continue parameter is too old"));
    let rest = api.get(&format!("{MAPS}?continue={next}")).await.ok();
    let names: Vec<_> = rest["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["m4", "m4a", "m5", "m6", "m7", "m8", "m9"].map(Value::from));
    server.stop().await;
}
