//! Power cuts and full disks.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use axum::http::Method;
use headwater_testing::{
    eventually,
    git::Repository,
    kubernetes::rest::{JSON, MAPS, MERGE, SOON, map, version},
    tmpfs::Tmpfs,
};
use serde_json::{Value, json};

use super::process::Standalone;

/// An object that is only whole if all its values agree.
fn whole(name: &str, value: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"a": value, "b": value.repeat(200), "c": value}})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_write_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Standalone::new(folder.path());
    let mut acknowledged: BTreeMap<String, (Option<Value>, u64)> = BTreeMap::new();
    let (mut highest, mut writes) = (0, 0);
    process.start().await;
    for round in 0..5 {
        let api = process.api.clone();
        let writing = tokio::spawn(async move {
            let mut done = Vec::new();
            // Until nobody answers: what is under way then may be there or not.
            for number in 0.. {
                let name = format!("r{round}-{}", number % 7);
                let (path, value) = (format!("{MAPS}/{name}"), number.to_string());
                let (method, path, object) = match number / 7 % 3 {
                    0 => (Method::POST, MAPS.to_owned(), whole(&name, &value)),
                    1 => (Method::PUT, path, whole(&name, &value)),
                    _ => (Method::DELETE, path, Value::Null),
                };
                let is_there = method != Method::DELETE;
                let text = if is_there { object.to_string() } else { String::new() };
                let Ok(answer) = api.ask(method, &path, JSON, text).await else { return (done, name) };
                let object = answer.ok();
                done.push((name, is_there.then_some(object)));
            }
            unreachable!()
        });
        let moment: u64 = rand::random_range(20..200);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        process.kill();
        let (done, uncertain) = writing.await.unwrap();
        writes += done.len();
        for (name, object) in done {
            highest = object.as_ref().map_or(highest, |object| highest.max(version(object)));
            acknowledged.insert(name, (object, highest));
        }
        let begin = Instant::now();
        process.start().await;
        let list = process.api.get(MAPS).await.ok();
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?} until the objects are there", begin.elapsed());
        assert!(version(&list) >= highest, "versions went back from {highest} to {}", version(&list));
        highest = version(&list);
        let items = list["items"].as_array().unwrap();
        for item in items {
            let (a, b, c) = (&item["data"]["a"], item["data"]["b"].as_str().unwrap(), &item["data"]["c"]);
            assert!(a == c && b == a.as_str().unwrap().repeat(200) && item["metadata"]["uid"].is_string(), "half an object: {item}");
        }
        for (name, (expected, _)) in &acknowledged {
            let found = items.iter().find(|item| item["metadata"]["name"] == **name);
            if *name == uncertain {
                continue;
            }
            let data = |object: Option<&Value>| object.map(|object| (object["data"].clone(), object["metadata"].clone()));
            assert_eq!(data(found), data(expected.as_ref()), "{name} after {moment} ms of round {round}");
        }
        // What was uncertain is certain now.
        let found = items.iter().find(|item| item["metadata"]["name"] == uncertain).cloned();
        acknowledged.insert(uncertain, (found, highest));
        let next = process.api.post(MAPS, &whole(&format!("after{round}"), "1")).await.ok();
        assert!(version(&next) > highest);
        highest = version(&next);
    }
    assert!(writes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_and_their_artifacts_are_served_from_the_first_second() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repository");
    Repository::init(&repository).commit(&[("a.yaml", "a: 1\n")]);
    let mut process = Standalone::new(folder.path());
    let manifest = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "x", "namespace": "default"},
        "spec": {"interval": "1h", "url": format!("file://{}", repository.display()), "ref": {"branch": "main"}}});
    fs::write(folder.path().join("manifests/x.json"), manifest.to_string()).unwrap();
    process.start().await;
    let path = "/apis/source.toolkit.fluxcd.io/v1/namespaces/default/gitrepositories/x";
    let object = eventually(SOON, async || {
        let answer = process.api.get(path).await;
        let ready = answer.body["status"]["conditions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
        if ready { Ok(answer.body) } else { Err(answer.body.to_string()) }
    })
    .await;
    process.kill();
    // The repository is gone: what is served now was kept.
    fs::remove_dir_all(&repository).unwrap();
    let begin = Instant::now();
    process.start().await;
    let again = process.api.get(path).await.ok();
    assert_eq!(again["metadata"]["uid"], object["metadata"]["uid"]);
    assert_eq!(again["status"]["artifact"], object["status"]["artifact"]);
    let url = object["status"]["artifact"]["url"].as_str().unwrap();
    let served = eventually(Duration::from_secs(1), async || reqwest::get(url).await.map_err(|error| error.to_string())).await;
    assert_eq!(served.status(), 200);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_says_so_and_is_over_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let Some(_disk) = Tmpfs::mount(&data, "size=8m") else { return };
    let mut process = Standalone::new(folder.path());
    process.start().await;
    let api = process.api.clone();
    api.post(MAPS, &map("small", "1")).await.ok();
    let ballast = data.join("ballast");
    fs::write(&ballast, vec![0; 3 << 20]).unwrap();
    let mut written = Vec::new();
    let refusal = loop {
        assert!(written.len() < 100, "8 MB take all this");
        let name = format!("large{}", written.len());
        let answer = api.post(MAPS, &map(&name, &"x".repeat(400_000))).await;
        match answer.code {
            201 => written.push(name),
            code => break answer.refusal(code),
        }
    };
    assert!(refusal.contains("no space left") && refusal.contains("objects.redb"), "{refusal}");
    assert!(!written.is_empty());
    // Reads go on, and so does what was written.
    assert_eq!(api.get(&format!("{MAPS}/small")).await.ok()["data"]["value"], "1");
    assert_eq!(api.get(MAPS).await.ok()["items"].as_array().unwrap().len(), written.len() + 1);
    fs::remove_file(&ballast).unwrap();
    eventually(SOON, async || {
        let answer = api.patch(&format!("{MAPS}/small"), MERGE, &json!({"data": {"value": "2"}})).await;
        if answer.code == 200 { Ok(()) } else { Err(answer.body.to_string()) }
    })
    .await;
    process.kill();
    process.start().await;
    assert_eq!(api.get(&format!("{MAPS}/small")).await.ok()["data"]["value"], "2");
    assert_eq!(api.get(MAPS).await.ok()["items"].as_array().unwrap().len(), written.len() + 1);
    process.kill();
}
