//! A GitRepository becomes an artifact: references, revisions, and the life of the object.

use headwater_testing::{PATIENCE, eventually};
use serde_json::json;

use crate::support::{
    artifact::{download, files, listing},
    cluster::{Server, on_each_server},
    namespace::{condition, message, revision},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n"), ("dir/b.yaml", "b: 1\n"), ("dir/sub/c.yaml", "c: 1\n")];

on_each_server!(a_branch_becomes_an_artifact_with_its_files);
async fn a_branch_becomes_an_artifact_with_its_files(server: &Server) {
    let world = World::new(server, "branch").await;
    let head = world.git.repository("r.git").commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let object = world.space.ready("x").await;
    assert_eq!(revision(&object), format!("main@sha1:{head}"));
    assert_eq!(message(&object, "Ready"), format!("stored artifact for revision 'main@sha1:{head}'"));
    assert_eq!(condition(&object, "ArtifactInStorage").unwrap()["status"], "True");
    assert!(condition(&object, "Reconciling").is_none());
    assert_eq!(object["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]));
    let listing = listing(&object).await;
    assert_eq!(files(&listing), ["a.yaml", "dir/b.yaml", "dir/sub/c.yaml"]);
    assert_eq!((listing["a.yaml"].mode, listing["a.yaml"].content.as_slice()), (0o600, b"a: 1\n".as_slice()));
    assert_eq!(listing["dir"].mode, 0o750);
}

on_each_server!(each_way_to_name_a_commit_gives_its_revision);
async fn each_way_to_name_a_commit_gives_its_revision(server: &Server) {
    let world = World::new(server, "refs").await;
    let repository = world.git.repository("r.git");
    let one = repository.commit(FILES);
    repository.tag("v1.0.0");
    repository.set_ref("refs/pull/7/head", &one);
    let two = repository.commit(&[("z", "2")]);
    repository.annotated_tag("v1.2.0");
    let three = repository.commit(&[("z", "3")]);
    repository.tag("v2.0.0");
    let branch = repository.commit_to("feature/one", &[("f", "1")]);
    let master = repository.commit_to("master", &[("m", "1")]);
    let url = world.git.url("r.git");
    let cases = [
        ("tag", json!({"tag": "v1.0.0"}), format!("v1.0.0@sha1:{one}")),
        ("annotated", json!({"tag": "v1.2.0"}), format!("v1.2.0@sha1:{two}")),
        ("semver", json!({"semver": ">=1.0.0 <2.0.0"}), format!("v1.2.0@sha1:{two}")),
        ("name", json!({"name": "refs/pull/7/head"}), format!("refs/pull/7/head@sha1:{one}")),
        ("commit", json!({"branch": "main", "commit": two}), format!("main@sha1:{two}")),
        ("commit-alone", json!({"commit": two}), format!("sha1:{two}")),
        ("slash", json!({"branch": "feature/one"}), format!("feature/one@sha1:{branch}")),
        ("default", json!({}), format!("master@sha1:{master}")),
        ("precedence", json!({"branch": "main", "tag": "v2.0.0", "semver": "1.0.x"}), format!("v2.0.0@sha1:{three}")),
    ];
    world.space.source("off-branch", json!({"url": url, "ref": {"branch": "main", "commit": branch}})).await;
    for (name, reference, _) in &cases {
        world.space.source(name, json!({"url": url, "ref": reference})).await;
    }
    for (name, _, expected) in &cases {
        world.space.ready_at(name, expected).await;
    }
    let off = world.space.failed("off-branch", "GitOperationFailed").await;
    assert!(message(&off, "Ready").contains("object not found"), "{}", off["status"]);
}

on_each_server!(a_reference_that_is_not_there_fails_and_recovers_when_it_appears);
async fn a_reference_that_is_not_there_fails_and_recovers_when_it_appears(server: &Server) {
    let world = World::new(server, "missing-ref").await;
    let repository = world.git.repository("r.git");
    repository.commit(FILES);
    let url = world.git.url("r.git");
    world.space.source("branch", json!({"url": url, "ref": {"branch": "later"}})).await;
    world.space.source("semver", json!({"url": url, "ref": {"semver": ">=3"}})).await;
    world.space.failed("branch", "GitOperationFailed").await;
    let object = world.space.failed("semver", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("no match found for semver: >=3"), "{object}");
    repository.tag("v3.0.0");
    repository.commit_to("later", FILES);
    world.space.ready("branch").await;
    world.space.ready("semver").await;
}

on_each_server!(a_new_commit_is_stored_when_a_reconcile_is_requested);
async fn a_new_commit_is_stored_when_a_reconcile_is_requested(server: &Server) {
    let world = World::new(server, "new-commit").await;
    let repository = world.git.repository("r.git");
    repository.commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let before = world.space.ready("x").await;
    let head = repository.commit(&[("new.yaml", "n: 1\n")]);
    world.space.poke("x").await;
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert_eq!(files(&listing(&object).await), ["new.yaml"]);
    assert_ne!(before["status"]["artifact"]["digest"], object["status"]["artifact"]["digest"]);
}

on_each_server!(a_new_commit_is_stored_when_the_interval_is_over);
async fn a_new_commit_is_stored_when_the_interval_is_over(server: &Server) {
    let world = World::new(server, "interval").await;
    let repository = world.git.repository("r.git");
    repository.commit(FILES);
    let spec = json!({"url": world.git.url("r.git"), "interval": "1s", "ref": {"branch": "main"}});
    world.space.source("x", spec).await;
    world.space.ready("x").await;
    let head = repository.commit(&[("new.yaml", "n: 1\n")]);
    world.space.ready_at("x", &format!("main@sha1:{head}")).await;
}

on_each_server!(an_unchanged_source_costs_no_pack_and_keeps_its_artifact);
async fn an_unchanged_source_costs_no_pack_and_keeps_its_artifact(server: &Server) {
    let world = World::new(server, "unchanged").await;
    world.git.repository("r.git").commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let before = world.space.ready("x").await;
    let seen = world.git.seen().len();
    let after = world.space.poke("x").await;
    assert_eq!(before["status"]["artifact"], after["status"]["artifact"]);
    let requests = world.git.seen().split_off(seen);
    assert!((1..=2).contains(&requests.len()), "one advertisement and at most one ls-refs: {requests:?}");
}

on_each_server!(a_changed_ignore_rule_changes_the_artifact_under_the_same_revision);
async fn a_changed_ignore_rule_changes_the_artifact_under_the_same_revision(server: &Server) {
    let world = World::new(server, "ignore").await;
    world.git.repository("r.git").commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let before = world.space.ready("x").await;
    world.space.patch("x", &json!({"spec": {"ignore": "a.yaml\n"}})).await;
    let after = world
        .space
        .wait("x", "the ignore rule is observed", |object| {
            object["status"]["observedIgnore"] == "a.yaml\n" && condition(object, "Reconciling").is_none()
        })
        .await;
    assert_eq!(revision(&before), revision(&after));
    assert_ne!(before["status"]["contentConfigChecksum"], after["status"]["contentConfigChecksum"]);
    assert_eq!(files(&listing(&after).await), ["dir/b.yaml", "dir/sub/c.yaml"]);
}

on_each_server!(a_suspended_object_is_left_alone_until_it_is_resumed);
async fn a_suspended_object_is_left_alone_until_it_is_resumed(server: &Server) {
    let world = World::new(server, "suspend").await;
    let repository = world.git.repository("r.git");
    repository.commit(FILES);
    let url = world.git.url("r.git");
    world.space.source("x", json!({"url": url, "ref": {"branch": "main"}})).await;
    let before = world.space.ready("x").await;
    world.space.patch("x", &json!({"spec": {"suspend": true}})).await;
    let head = repository.commit(&[("z", "z")]);
    // Another object that is reconciled afterwards shows that the controller has had its chance.
    world.space.source("other", json!({"url": url, "ref": {"branch": "main"}})).await;
    world.space.ready("other").await;
    let suspended = world.space.get("x").await.unwrap();
    assert_eq!(before["status"]["artifact"], suspended["status"]["artifact"]);
    world.space.patch("x", &json!({"spec": {"suspend": false}})).await;
    world.space.ready_at("x", &format!("main@sha1:{head}")).await;
}

on_each_server!(a_deleted_object_goes_with_its_files);
async fn a_deleted_object_goes_with_its_files(server: &Server) {
    let world = World::new(server, "delete").await;
    world.git.repository("r.git").commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let object = world.space.ready("x").await;
    world.space.delete("x").await;
    eventually(PATIENCE, async || match world.space.get("x").await {
        None => Ok(()),
        Some(object) => Err(format!("still there: {}", object["metadata"])),
    })
    .await;
    let prefix = format!("gitrepository/{}/", world.space.name);
    let left: Vec<_> = world.controller.stored().into_iter().filter(|path| path.starts_with(&prefix)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(download(&object).await.is_err());
}

on_each_server!(a_new_artifact_is_told_by_event_and_by_post);
async fn a_new_artifact_is_told_by_event_and_by_post(server: &Server) {
    let world = World::new(server, "events").await;
    let head = world.git.repository("r.git").commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    world.space.ready("x").await;
    eventually(PATIENCE, async || {
        let events = world.space.events().await;
        let told = events.iter().any(|event| event["reason"] == "NewArtifact" && event["type"] == "Normal");
        told.then_some(()).ok_or_else(|| format!("no NewArtifact event among {events:?}"))
    })
    .await;
    let posted = eventually(PATIENCE, async || {
        let posted = world.controller.events.posted();
        let told = posted.iter().find(|event| event["reason"] == "NewArtifact").cloned();
        told.ok_or_else(|| format!("no NewArtifact among {posted:?}"))
    })
    .await;
    assert_eq!(posted["severity"], "info");
    assert_eq!(posted["involvedObject"]["name"], "x");
    assert_eq!(posted["metadata"]["source.toolkit.fluxcd.io/revision"], format!("main@sha1:{head}"));
}
