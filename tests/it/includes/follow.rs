//! What happens to an object when those it includes appear, change, fail and go.

use std::{
    fs,
    time::{Duration, Instant},
};

use headwater_testing::{PATIENCE, eventually, git::Repository};
use serde_json::{Value, json};

use super::{LIB, OWN, including, repository, source};
use crate::support::{
    artifact::{files, listing},
    cluster::{Server, embedded, on_each_server},
    controller::Controller,
    namespace::{condition, message, revision, status_is},
    world::World,
};

/// What happens at once happens within this time, on a busy machine; nothing else is due for an hour.
const SOON: Duration = Duration::from_secs(10);
/// Long enough for what must not happen.
const A_WHILE: Duration = Duration::from_millis(1500);

on_each_server!(an_object_that_is_not_there_is_waited_for_and_taken_as_soon_as_it_has_an_artifact);
async fn an_object_that_is_not_there_is_waited_for_and_taken_as_soon_as_it_has_an_artifact(server: &Server) {
    let world = World::with(server, "include-late", &["--requeue-dependency=1h"]).await;
    repository(&world, "own").commit(OWN);
    world.space.source("own", including(&world, "own", &json!([{"repository": {"name": "lib"}}]))).await;
    let object = world.space.failed("own", "NotFound").await;
    assert!(status_is(&object, "IncludeUnavailable", "True"), "{}", object["status"]);
    let expected = r#"could not get resource for include 'lib': GitRepository.source.toolkit.fluxcd.io "lib" not found"#;
    assert_eq!(message(&object, "IncludeUnavailable"), expected);
    assert_eq!(message(&object, "Ready"), expected);
    assert!(condition(&object, "FetchFailed").is_none() && condition(&object, "Stalled").is_none(), "{}", object["status"]);
    assert!(world.git.seen().is_empty(), "nothing is fetched before it is there");
    let event = world.space.event("own", "NotFound").await;
    assert_eq!(event["type"], "Normal");
    assert_eq!(event["message"], expected);

    let lib = repository(&world, "lib");
    world.space.source("lib", including(&world, "lib", &json!([]))).await;
    world.space.failed("lib", "EmptyGitRepository").await;
    world.space.request("own").await;
    let object = world.space.failed("own", "NoArtifact").await;
    assert_eq!(message(&object, "IncludeUnavailable"), "no artifact available for include 'lib'");

    lib.commit(LIB);
    let lib = world.space.ready("lib").await;
    let since = Instant::now();
    let object = world.space.ready("own").await;
    assert!(since.elapsed() < SOON, "it took {:?}", since.elapsed());
    assert!(condition(&object, "IncludeUnavailable").is_none());
    assert_eq!(object["status"]["includedArtifacts"], json!([lib["status"]["artifact"]]));
    let posted = world.controller.events.posted();
    assert!(posted.iter().all(|event| event["reason"] != "NotFound" && event["reason"] != "NoArtifact"), "{posted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_object_is_looked_for_again_and_again() {
    let world = World::with(embedded(), "include-requeue", &["--requeue-dependency=100ms"]).await;
    repository(&world, "own").commit(OWN);
    world.space.source("own", including(&world, "own", &json!([{"repository": {"name": "lib"}}]))).await;
    eventually(SOON, async || {
        let event = world.space.event("own", "NotFound").await;
        if event["count"].as_u64() >= Some(4) { Ok(()) } else { Err(format!("{event}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_goes_away_is_missed_and_leaves_the_artifact_as_it_was() {
    let world = World::with(embedded(), "include-gone", &["--requeue-dependency=1h"]).await;
    source(&world, "lib", LIB).await;
    let (own, before) = source_including(&world, "own", &json!([{"repository": {"name": "lib"}}])).await;
    world.space.delete("lib").await;
    world.space.wait("lib", "gone", Value::is_null).await;
    own.commit(&[("own.yaml", "own: 2\n")]);
    world.space.request("own").await;
    let object = world.space.failed("own", "NotFound").await;
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(object["status"]["includedArtifacts"], before["status"]["includedArtifacts"]);
    assert_eq!(files(&listing(&object).await), files(&listing(&before).await));
    world.space.source("lib", including(&world, "lib", &json!([]))).await;
    let object = changed(&world, &before).await;
    assert!(condition(&object, "IncludeUnavailable").is_none() && status_is(&object, "Ready", "True"), "{}", object["status"]);
}

on_each_server!(a_change_of_an_included_artifact_is_followed_at_once);
async fn a_change_of_an_included_artifact_is_followed_at_once(server: &Server) {
    let world = World::new(server, "include-follow").await;
    let (lib, _) = source(&world, "lib", LIB).await;
    let (_, before) = source_including(&world, "own", &json!([{"repository": {"name": "lib"}}])).await;
    let (_, bystander) = source(&world, "bystander", OWN).await;
    lib.commit(&[("new.yaml", "new: 1\n")]);
    let lib = world.space.poke("lib").await;
    let after = changed(&world, &before).await;
    assert_eq!(revision(&before), revision(&after));
    assert_ne!(before["status"]["contentConfigChecksum"], after["status"]["contentConfigChecksum"]);
    assert_eq!(files(&listing(&after).await), ["dir/own.yaml", "lib/new.yaml", "own.yaml"]);
    assert_eq!(after["status"]["includedArtifacts"], json!([lib["status"]["artifact"]]));
    assert!(status_is(&after, "Ready", "True") && status_is(&after, "ArtifactInStorage", "True"), "{}", after["status"]);
    assert!(condition(&after, "ArtifactOutdated").is_none() && condition(&after, "Reconciling").is_none(), "{}", after["status"]);
    eventually(PATIENCE, async || {
        let digest = &after["status"]["artifact"]["digest"];
        let posted = world.controller.events.posted();
        let told = |event: &&Value| event["reason"] == "NewArtifact" && event["metadata"]["source.toolkit.fluxcd.io/digest"] == *digest;
        posted.iter().find(told).map(|_| ()).ok_or_else(|| format!("no NewArtifact for {digest} among {posted:?}"))
    })
    .await;
    assert_eq!(world.space.get("bystander").await.unwrap()["status"], bystander["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_goes_on_along_a_chain() {
    let world = World::new(embedded(), "include-chain").await;
    let (last, _) = source(&world, "c", LIB).await;
    source_including(&world, "b", &json!([{"repository": {"name": "c"}, "fromPath": "deploy"}])).await;
    let (_, before) = source_including(&world, "a", &json!([{"repository": {"name": "b"}}, {"repository": {"name": "c"}}])).await;
    last.commit(&[("deploy/new.yaml", "new: 1\n")]);
    world.space.poke("c").await;
    let since = Instant::now();
    let artifact = |object: &Value| object["status"]["artifact"].clone();
    let c = artifact(&world.space.get("c").await.unwrap());
    let b = world.space.wait("b", "followed", |object| object["status"]["includedArtifacts"] == json!([c])).await;
    let after = world.space.wait("a", "followed", |object| object["status"]["includedArtifacts"] == json!([artifact(&b), c])).await;
    assert!(since.elapsed() < SOON, "it took {:?}", since.elapsed());
    let expected = ["b/c/new.yaml", "b/dir/own.yaml", "b/own.yaml", "c/deploy/new.yaml", "dir/own.yaml", "own.yaml"];
    assert_eq!(files(&listing(&after).await), expected);
    assert_eq!(revision(&before), revision(&after));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_object_does_not_follow() {
    let world = World::new(embedded(), "include-suspend").await;
    let (lib, _) = source(&world, "lib", LIB).await;
    let (_, before) = source_including(&world, "own", &json!([{"repository": {"name": "lib"}}])).await;
    source_including(&world, "other", &json!([{"repository": {"name": "lib"}}])).await;
    world.space.patch("own", &json!({"spec": {"suspend": true}})).await;
    lib.commit(&[("new.yaml", "new: 1\n")]);
    let lib = world.space.poke("lib").await;
    // Another one that has followed shows that the controller has had its chance.
    let followed = |object: &Value| object["status"]["includedArtifacts"] == json!([lib["status"]["artifact"]]);
    world.space.wait("other", "followed", followed).await;
    assert_eq!(world.space.get("own").await.unwrap()["status"]["artifact"], before["status"]["artifact"]);
    world.space.patch("own", &json!({"spec": {"suspend": false}})).await;
    world.space.wait("own", "followed", followed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_include_each_other_come_to_rest() {
    let world = World::with(embedded(), "include-cycle", &["--requeue-dependency=1h"]).await;
    for name in ["a", "b", "alone"] {
        source(&world, name, OWN).await;
    }
    let including = |name: &str| json!({"spec": {"include": [{"repository": {"name": name}}]}});
    for (name, included) in [("a", "b"), ("b", "a"), ("alone", "alone")] {
        world.space.patch(name, &including(included)).await;
        world.space.wait(name, "it includes", |object| object["status"]["observedInclude"][0]["repository"]["name"] == included).await;
    }
    tokio::time::sleep(A_WHILE).await;
    for name in ["a", "b", "alone"] {
        let (seen, before) = (world.git.seen().len(), world.space.get(name).await.unwrap());
        tokio::time::sleep(Duration::from_millis(400)).await;
        let (asked, after) = (world.git.seen().len() - seen, world.space.get(name).await.unwrap());
        assert_eq!(
            before["status"]["artifact"], after["status"]["artifact"],
            "{name} has got another artifact, and the server {asked} requests"
        );
        assert_eq!(asked, 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_wait_for_each_other_wait_quietly() {
    let world = World::with(embedded(), "include-knot", &["--requeue-dependency=1h"]).await;
    for (name, included) in [("a", "b"), ("b", "a"), ("alone", "alone")] {
        repository(&world, name).commit(OWN);
        world.space.source(name, including(&world, name, &json!([{"repository": {"name": included}}]))).await;
    }
    world.space.failed("b", "NoArtifact").await;
    world.space.failed("alone", "NoArtifact").await;
    let before = world.space.get("b").await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(world.space.get("b").await.unwrap()["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    assert!(world.git.seen().is_empty());
    world.space.patch("b", &json!({"spec": {"include": null}})).await;
    world.space.ready("b").await;
    let object = world.space.ready("a").await;
    assert_eq!(files(&listing(&object).await), ["b/dir/own.yaml", "b/own.yaml", "dir/own.yaml", "own.yaml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_fails_is_included_as_it_was() {
    let world = World::new(embedded(), "include-failing").await;
    let (_, lib) = source(&world, "lib", LIB).await;
    let (own, _) = source_including(&world, "own", &json!([{"repository": {"name": "lib"}}])).await;
    world.space.patch("lib", &json!({"spec": {"ref": {"branch": "none"}}})).await;
    world.space.failed("lib", "GitOperationFailed").await;
    let head = own.commit(&[("own.yaml", "own: 2\n")]);
    world.space.poke("own").await;
    let object = world.space.ready_at("own", &format!("main@sha1:{head}")).await;
    assert_eq!(files(&listing(&object).await), ["lib/a.yaml", "lib/deploy/b.yaml", "lib/deploy/sub/c.yaml", "own.yaml"]);
    assert_eq!(object["status"]["includedArtifacts"], json!([lib["status"]["artifact"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_included_artifact_that_is_lost_is_waited_for() {
    let world = World::new(embedded(), "include-lost").await;
    let (_, lib) = source(&world, "lib", LIB).await;
    let (own, before) = source_including(&world, "own", &json!([{"repository": {"name": "lib"}}])).await;
    let path = world.controller.storage.join(lib["status"]["artifact"]["path"].as_str().unwrap());
    fs::remove_file(&path).unwrap();
    let unchanged = world.space.poke("own").await;
    assert_eq!(unchanged["status"]["artifact"], before["status"]["artifact"], "nothing needs it");
    let head = own.commit(&[("own.yaml", "own: 2\n")]);
    world.space.request("own").await;
    let object = world.space.failed("own", "CopyFailure").await;
    assert!(message(&object, "Ready").starts_with("failed to copy 'lib' include from  to lib: "), "{}", message(&object, "Ready"));
    assert!(status_is(&object, "ArtifactOutdated", "True"), "{}", object["status"]);
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);
    world.space.poke("lib").await;
    let object = world.space.ready_at("own", &format!("main@sha1:{head}")).await;
    assert_eq!(files(&listing(&object).await), ["lib/a.yaml", "lib/deploy/b.yaml", "lib/deploy/sub/c.yaml", "own.yaml"]);
    assert!(condition(&object, "ArtifactOutdated").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_included_artifact_that_is_damaged_is_replaced_at_its_next_pass() {
    let world = World::new(embedded(), "include-damaged").await;
    let (_, lib) = source(&world, "lib", LIB).await;
    let (own, before) = source_including(&world, "own", &json!([{"repository": {"name": "lib"}}])).await;
    fs::write(world.controller.storage.join(lib["status"]["artifact"]["path"].as_str().unwrap()), b"damaged").unwrap();
    let head = own.commit(&[("own.yaml", "own: 2\n")]);
    world.space.request("own").await;
    let object = world.space.failed("own", "CopyFailure").await;
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);
    let mended = world.space.poke("lib").await;
    assert_eq!(mended["status"]["artifact"]["digest"], lib["status"]["artifact"]["digest"]);
    let since = Instant::now();
    let at = format!("main@sha1:{head}");
    let object = eventually(SOON, async || {
        let object = world.space.get("own").await.unwrap();
        if revision(&object) == at { Ok(object) } else { Err(format!("after {:?}: {}", since.elapsed(), object["status"])) }
    })
    .await;
    assert_eq!(files(&listing(&object).await), ["lib/a.yaml", "lib/deploy/b.yaml", "lib/deploy/sub/c.yaml", "own.yaml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_a_stopped_controller_missed_is_followed_when_it_is_back() {
    let server = embedded();
    let mut world = World::new(server, "include-missed").await;
    let (lib, _) = source(&world, "lib", LIB).await;
    let (_, before) = source_including(&world, "own", &json!([{"repository": {"name": "lib"}}])).await;
    world.controller.stop().await;
    // Another controller, with the same storage, sees only the object that is included.
    let part = format!("{}-lib", world.space.name);
    world.space.patch("lib", &json!({"metadata": {"labels": {"part": part}}})).await;
    let address = format!("--storage-adv-addr={}", world.controller.origin.trim_start_matches("http://"));
    let mut other = Controller::new(world.folder.path(), &server.kubeconfig, &format!("part={part}"), &[&address]).await;
    other.start().await;
    let head = lib.commit(&[("new.yaml", "new: 1\n")]);
    world.space.request("lib").await;
    world.space.ready_at("lib", &format!("main@sha1:{head}")).await;
    other.stop().await;
    assert_eq!(world.space.get("own").await.unwrap()["status"], before["status"]);
    world.controller.start().await;
    let since = Instant::now();
    let object = eventually(SOON, async || {
        let object = world.space.get("own").await.unwrap();
        let followed = object["status"]["includedArtifacts"][0]["revision"] == format!("main@sha1:{head}");
        if followed { Ok(object) } else { Err(format!("after {:?}: {}", since.elapsed(), object["status"])) }
    })
    .await;
    assert_eq!(files(&listing(&object).await), ["dir/own.yaml", "lib/new.yaml", "own.yaml"]);
}

on_each_server!(an_include_that_is_moved_or_removed_changes_the_artifact_under_the_same_revision);
async fn an_include_that_is_moved_or_removed_changes_the_artifact_under_the_same_revision(server: &Server) {
    let world = World::new(server, "include-removed").await;
    let (lib, _) = source(&world, "lib", LIB).await;
    let (_, before) = source_including(&world, "own", &json!([{"repository": {"name": "lib"}}])).await;
    let moved = json!([{"repository": {"name": "lib"}, "fromPath": "deploy/sub", "toPath": "moved"}]);
    world.space.patch("own", &json!({"spec": {"include": moved}})).await;
    let object = world.space.ready("own").await;
    assert_eq!(files(&listing(&object).await), ["dir/own.yaml", "moved/c.yaml", "own.yaml"]);
    assert_eq!(object["status"]["observedInclude"], moved);
    world.space.patch("own", &json!({"spec": {"include": null}})).await;
    let after = world.space.ready("own").await;
    assert_eq!(revision(&before), revision(&after));
    assert_eq!(files(&listing(&after).await), ["dir/own.yaml", "own.yaml"]);
    assert!(after["status"]["includedArtifacts"].is_null() && after["status"]["observedInclude"].is_null(), "{}", after["status"]);
    lib.commit(&[("new.yaml", "new: 1\n")]);
    world.space.poke("lib").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.space.get("own").await.unwrap()["status"], after["status"], "it follows no longer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_included_and_has_not_changed_costs_nothing() {
    let mut world = World::new(embedded(), "include-same").await;
    source(&world, "lib", LIB).await;
    let (_, before) = source_including(&world, "own", &json!([{"repository": {"name": "lib"}}])).await;
    let seen = world.git.seen().len();
    world.space.poke("lib").await;
    let after = world.space.poke("own").await;
    assert_eq!(before["status"]["artifact"], after["status"]["artifact"]);
    let requests = world.git.seen().split_off(seen);
    assert!((2..=4).contains(&requests.len()), "one advertisement and at most one ls-refs each: {requests:?}");
    world.controller.stop().await;
    world.controller.start().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.space.get("own").await.unwrap()["status"], after["status"], "a restart changes nothing");
}

/// A repository with files of its own, and an object for it that includes others and is ready.
async fn source_including(world: &World, name: &str, include: &Value) -> (Repository, Value) {
    let repository = repository(world, name);
    repository.commit(OWN);
    world.space.source(name, including(world, name, include)).await;
    (repository, world.space.ready(name).await)
}

/// The object once it has another artifact than before, which has to be soon.
async fn changed(world: &World, before: &Value) -> Value {
    let (since, name) = (Instant::now(), before["metadata"]["name"].as_str().unwrap());
    let digest = |object: &Value| object["status"]["artifact"]["digest"].clone();
    let after = world.space.wait(name, "another artifact", |object| digest(object) != digest(before)).await;
    assert!(since.elapsed() < SOON, "it took {:?}", since.elapsed());
    after
}
