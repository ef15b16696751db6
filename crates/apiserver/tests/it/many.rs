//! Many objects and many watchers at once.

use std::{collections::BTreeSet, time::Instant};

use futures::{StreamExt as _, stream};
use headwater_testing::{
    kubernetes::rest::{MAPS, MERGE, RestClient, map, version},
    loudly,
};
use serde_json::{Value, json};

use crate::support::Embedded;

/// How many objects and watchers there are: the size of `HEADWATER_TEST_SCALE=full` is too much for an unoptimised build.
fn scale() -> (usize, usize) {
    if std::env::var("HEADWATER_TEST_SCALE").is_ok_and(|scale| scale == "full") { (10_000, 200) } else { (2_000, 50) }
}

/// Creates ConfigMaps over many connections, every tenth with a label.
async fn create(api: &RestClient, count: usize) {
    stream::iter(0..count)
        .for_each_concurrent(64, async |number| {
            let mut object = map(&format!("m{number:05}"), "some value of some length");
            object["metadata"]["labels"] = json!({"tenth": (number % 10).to_string()});
            api.post(MAPS, &object).await.ok();
        })
        .await;
}

/// All pages of a list: the names, and the versions that the pages said.
async fn pages(api: &RestClient, query: &str, mut between: impl AsyncFnMut()) -> (Vec<String>, BTreeSet<u64>) {
    let (mut names, mut versions, mut next) = (Vec::new(), BTreeSet::new(), String::new());
    loop {
        let page = api.get(&format!("{MAPS}?{query}&continue={next}")).await.ok();
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()));
        versions.insert(version(&page));
        next = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        if next.is_empty() {
            return (names, versions);
        }
        between().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_many_objects_are_listed_and_seen_by_all_of_many_watchers() {
    let (objects, watchers) = scale();
    let server = Embedded::start().await;
    let api = server.api.clone();
    let from = version(&api.get(MAPS).await.ok());
    let begin = Instant::now();
    let watching = async |number: usize| {
        let query = if number.is_multiple_of(2) {
            format!("resourceVersion={from}&allowWatchBookmarks=true")
        } else {
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true".to_owned()
        };
        let mut events = api.watch(MAPS, &query).await;
        let (mut last, mut seen, mut is_initial) = (0, 0, number % 2 == 1);
        while seen < objects {
            let line = events.line().await.unwrap();
            // To read all of it is more work than to write it.
            if number % 8 > 1 {
                seen += usize::from(line.starts_with(br#"{"type":"ADDED""#));
                continue;
            }
            let event: Value = serde_json::from_slice(&line).unwrap();
            match event["type"].as_str() {
                Some("ADDED") => {
                    seen += 1;
                    // What comes after the initial state is in the order in which it was written.
                    let version = version(&event["object"]);
                    assert!(is_initial || version > last, "{version} after {last}");
                    last = last.max(version);
                }
                Some("BOOKMARK") => is_initial = false,
                _ => panic!("{event}"),
            }
        }
    };
    let created = async {
        create(&api, objects).await;
        begin.elapsed()
    };
    let all = stream::iter(0..watchers).for_each_concurrent(watchers, watching);
    let (created, ()) = tokio::join!(created, all);
    let seen = begin.elapsed();

    let begin = Instant::now();
    let whole = api.get(MAPS).await.ok();
    let listed = begin.elapsed();
    assert_eq!(whole["items"].as_array().unwrap().len(), objects);
    assert!(whole["metadata"]["continue"].is_null());

    let count = async |query: &str| api.get(&format!("{MAPS}?{query}")).await.ok()["items"].as_array().map(Vec::len);
    let begin = Instant::now();
    assert_eq!(count("labelSelector=tenth%3D3").await, Some(objects / 10));
    let selected = begin.elapsed();
    assert_eq!(count("labelSelector=tenth+in+(3,4),tenth!%3D4").await, Some(objects / 10));
    assert_eq!(count("fieldSelector=metadata.name%3Dm00007").await, Some(1));
    let (names, _) = pages(&api, "limit=7&labelSelector=tenth%3D5", async || {}).await;
    assert_eq!(names, (0..objects / 10).map(|number| format!("m{:05}", number * 10 + 5)).collect::<Vec<_>>());

    // In pages, while objects come, go and change.
    let mut round = 0;
    let (names, versions) = pages(&api, "limit=300", async || {
        api.post(MAPS, &map(&format!("new{round}"), "")).await.ok();
        api.post(MAPS, &map(&format!("a{round}"), "")).await.ok();
        api.delete(&format!("{MAPS}/m{:05}", objects - 1 - round)).await.ok();
        api.patch(&format!("{MAPS}/m{round:05}"), MERGE, &json!({"data": {"value": "other"}})).await.ok();
        round += 1;
    })
    .await;
    assert_eq!(versions.len(), 1, "every page is of the same version");
    let expected: Vec<String> = (0..objects).map(|number| format!("m{number:05}")).collect();
    assert_eq!(names, expected);
    assert_eq!(api.get(&format!("{MAPS}?limit=10")).await.ok()["metadata"]["remainingItemCount"], objects + round - 10);

    if scale().0 > 2_000 {
        loudly(&format!(
            "{objects} objects written in {created:?} while {watchers} watch, all seen in {seen:?}, listed in {listed:?}, every tenth in {selected:?}"
        ));
    }
    server.stop().await;
}
