//! After a restart nothing is asked for before it is due, and what is due does not come all at once.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use headwater_testing::{PATIENCE, eventually};
use serde_json::{Value, json};

use crate::support::{
    artifact::{check, download, files, listing},
    cluster::embedded,
    controller::Controller,
    namespace::{revision, status_is},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];

fn main_of(url: &str, interval: &str) -> Value {
    json!({"url": url, "interval": interval, "ref": {"branch": "main"}})
}

/// Makes one object for each name, each with a repository of its own.
async fn ready(world: &World, names: &[&str], interval: &str) {
    for name in names {
        let file = format!("{name}.git");
        world.git.repository(&file).commit(FILES);
        world.space.source(name, main_of(&world.git.url(&file), interval)).await;
    }
    for name in names {
        world.space.ready(name).await;
    }
    // When a pass ended is noted right after its status was written.
    eventually(PATIENCE, async || {
        let missing: Vec<_> = names.iter().filter(|name| !mark(world, name).exists()).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("not noted: {missing:?}")) }
    })
    .await;
}

/// The file that says when the last good pass of an object ended.
fn mark(world: &World, name: &str) -> PathBuf {
    world.controller.storage.join("gitrepository").join(&world.space.name).join(name).join(".pass")
}

/// Lets the last good pass of an object have ended so long ago.
fn age(world: &World, name: &str, age: Duration) {
    let file = fs::File::options().write(true).open(mark(world, name)).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// How often the server was asked for the repository of an object.
fn asked(world: &World, name: &str) -> usize {
    let prefix = format!("/{name}.git/");
    world.git.seen().iter().filter(|seen| seen.path.starts_with(&prefix)).count()
}

/// The stored artifact of an object.
fn stored(world: &World, object: &Value) -> PathBuf {
    world.controller.storage.join(object["status"]["artifact"]["path"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_asks_for_nothing_that_is_not_due_and_serves_from_the_first_second() {
    let mut world = World::idle(embedded(), "rest", &[]).await;
    world.controller.start().await;
    let names = ["one", "two", "three"];
    ready(&world, &names, "60m").await;
    for graceful in [true, false] {
        let mut before = Vec::new();
        for name in names {
            before.push(world.space.get(name).await.unwrap());
        }
        let seen = world.git.seen().len();
        if graceful {
            world.controller.stop().await;
        } else {
            world.controller.kill();
        }
        let start = Instant::now();
        world.controller.start().await;
        for object in &before {
            check(object, &download(object).await.unwrap());
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (name, before) in names.iter().zip(&before) {
            let after = world.space.get(name).await.unwrap();
            assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"], "{name} was touched: {after}");
        }
        assert_eq!(world.git.seen().len(), seen, "{:?}", &world.git.seen()[seen..]);
    }
    // It is awake all the same.
    let head = world.git.repository("one.git").commit(&[("b.yaml", "b: 1\n")]);
    world.space.poke("one").await;
    world.space.ready_at("one", &format!("main@sha1:{head}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_or_was_lost_while_nobody_looked_is_asked_for_at_once() {
    let mut world = World::idle(embedded(), "due", &[]).await;
    world.controller.start().await;
    let names = ["rests", "requested", "changed", "lost", "damaged", "short", "overdue", "unmarked", "future", "resumed"];
    ready(&world, &names, "60m").await;
    world.controller.stop().await;
    let mut before = std::collections::BTreeMap::new();
    for name in names {
        before.insert(name, world.space.get(name).await.unwrap());
    }
    let counts: Vec<_> = names.iter().map(|name| asked(&world, name)).collect();
    let annotation = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "while it was gone"}}});
    world.space.patch("requested", &annotation).await;
    world.space.patch("changed", &json!({"spec": {"ignore": "none\n"}})).await;
    world.space.patch("resumed", &json!({"spec": {"timeout": "7s"}})).await;
    fs::remove_file(stored(&world, &before["lost"])).unwrap();
    let path = stored(&world, &before["damaged"]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    fs::File::options().write(true).open(stored(&world, &before["short"])).unwrap().set_len(20).unwrap();
    // Whatever is overdue comes within a tenth of the interval, and that would be a minute here.
    world.space.patch("overdue", &json!({"spec": {"interval": "2s"}})).await;
    age(&world, "overdue", Duration::from_secs(3));
    fs::remove_file(mark(&world, "unmarked")).unwrap();
    fs::File::options()
        .write(true)
        .open(mark(&world, "future"))
        .unwrap()
        .set_modified(SystemTime::now() + Duration::from_hours(2))
        .unwrap();

    world.controller.start().await;
    for (name, count) in names.iter().zip(&counts).skip(1) {
        eventually(
            Duration::from_secs(5),
            async || {
                if asked(&world, name) > *count { Ok(()) } else { Err(format!("{name} was not asked for")) }
            },
        )
        .await;
    }
    for name in names {
        let object = world.space.ready(name).await;
        assert_eq!(revision(&object), revision(&before[name]), "{name}");
        // Until it is there again, whoever asks for it is asked to wait.
        eventually(PATIENCE, async || {
            let size = download(&object).await?.len();
            if object["status"]["artifact"]["size"] == size { Ok(()) } else { Err(format!("{name} has {size} bytes")) }
        })
        .await;
        assert_eq!(files(&listing(&object).await), ["a.yaml"], "{name}");
    }
    let object = world.space.get("requested").await.unwrap();
    assert_eq!(object["status"]["lastHandledReconcileAt"], "while it was gone");
    assert_eq!(asked(&world, "rests"), counts[0], "nothing happened to that one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_due_later_is_asked_for_then() {
    let mut world = World::idle(embedded(), "rest-of", &[]).await;
    world.controller.start().await;
    ready(&world, &["x"], "60m").await;
    world.controller.stop().await;
    let count = asked(&world, "x");
    age(&world, "x", Duration::from_millis(60 * 60_000 - 2_500));
    let head = world.git.repository("x.git").commit(&[("b.yaml", "b: 1\n")]);
    let start = Instant::now();
    world.controller.start().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    if start.elapsed() < Duration::from_millis(2300) {
        assert_eq!(asked(&world, "x"), count, "before it was due");
    }
    world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_object_is_tried_again_at_once() {
    let mut world = World::idle(embedded(), "failed", &[]).await;
    world.controller.start().await;
    ready(&world, &["x"], "60m").await;
    world.space.patch("x", &json!({"spec": {"ref": {"branch": "later"}}})).await;
    world.space.failed("x", "GitOperationFailed").await;
    world.controller.stop().await;
    let head = world.git.repository("x.git").commit_to("later", FILES);
    world.controller.start().await;
    world.space.ready_at("x", &format!("later@sha1:{head}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_advertised_address_makes_a_pass_that_costs_no_pack() {
    let mut world = World::idle(embedded(), "address", &[]).await;
    world.controller.start().await;
    ready(&world, &["x"], "60m").await;
    let before = world.space.get("x").await.unwrap();
    world.controller.stop().await;
    let seen = asked(&world, "x");
    // One on other ports, with the same storage.
    let mut other = Controller::new(world.folder.path(), &embedded().kubeconfig, &world.space.selector(), &[]).await;
    assert_ne!(other.origin, world.controller.origin);
    other.start().await;
    let after = world
        .space
        .wait("x", "the URL is refreshed", |object| {
            object["status"]["artifact"]["url"].as_str().is_some_and(|url| url.starts_with(&other.origin))
        })
        .await;
    let artifact = |object: &Value| {
        let mut artifact = object["status"]["artifact"].clone();
        artifact.as_object_mut().unwrap().remove("url");
        artifact
    };
    assert_eq!(artifact(&before), artifact(&after));
    assert!(status_is(&after, "Ready", "True"), "{}", after["status"]);
    check(&after, &download(&after).await.unwrap());
    let asked = asked(&world, "x") - seen;
    assert!((1..=2).contains(&asked), "a greeting and a list: {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_after_a_restart_comes_spread_over_a_tenth_of_the_interval() {
    const COUNT: usize = 16;
    let mut world = World::idle(embedded(), "spread", &["--concurrent=16"]).await;
    world.controller.start().await;
    let names: Vec<_> = (0..COUNT).map(|number| format!("x{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    ready(&world, &names, "15s").await;
    world.controller.stop().await;
    for name in &names {
        age(&world, name, Duration::from_mins(1));
    }
    let counts: Vec<_> = names.iter().map(|name| asked(&world, name)).collect();
    world.controller.start().await;
    let start = Instant::now();
    let mut came = vec![None; COUNT];
    while came.iter().any(Option::is_none) {
        assert!(start.elapsed() < Duration::from_secs(8), "some never come: {came:?}");
        for (at, name) in names.iter().enumerate() {
            if came[at].is_none() && asked(&world, name) > counts[at] {
                came[at] = Some(start.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut came: Vec<_> = came.into_iter().flatten().collect();
    came.sort();
    // A tenth is a second and a half; a busy machine may take a little longer.
    let (first, last) = (came[0], came[COUNT - 1]);
    assert!(last < Duration::from_secs(4), "{came:?}");
    assert!(last > first + Duration::from_millis(400), "all at once: {came:?}");
    for window in came.windows(COUNT / 2) {
        assert!(window[COUNT / 2 - 1] > window[0] + Duration::from_millis(50), "half of them at once: {came:?}");
    }
}
