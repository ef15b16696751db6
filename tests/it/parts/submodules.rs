//! `spec.recurseSubmodules`.

use headwater_testing::git::Repository;
use serde_json::{Value, json};

use super::{changed, commit, failed_but_kept, paths, same_revision_other_artifact, world};
use crate::support::{namespace::message, world::World};

fn spec(url: &str) -> Value {
    json!({"url": url, "ref": {"branch": "main"}, "recurseSubmodules": true})
}

/// Commits a tree with `a.yaml` and a submodule `name` at that URL.
fn holding(repository: &Repository, name: &str, url: &str, id: &str) -> String {
    let modules = repository.blob(format!("[submodule \"{name}\"]\n\tpath = {name}\n\turl = {url}\n").as_bytes());
    let file = repository.blob(b"a: 1\n");
    commit(repository, &[("100644", ".gitmodules", &modules), ("100644", "a.yaml", &file), ("160000", name, id)])
}

/// `r.git` holds `mid` by a relative URL, which holds `inner` by an absolute one.
fn nested(world: &World) {
    let inner = world.git.repository("inner.git").commit(&[("c.yaml", "c: 1\n")]);
    let mid = holding(&world.git.repository("mid.git"), "inner", &world.git.url("inner.git"), &inner);
    holding(&world.git.repository("r.git"), "mid", "../mid.git", &mid);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_turn_submodules_on_and_off_makes_other_artifacts_of_the_same_revision() {
    let world = world("submodules-toggle").await;
    nested(&world);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let off = world.space.ready("x").await;
    assert_eq!(paths(&off).await, ["a.yaml"]);
    let on = changed(&world, "x", json!({"recurseSubmodules": true})).await;
    same_revision_other_artifact(&off, &on);
    assert!(paths(&on).await.contains(&"mid/inner/c.yaml".to_owned()));
    assert_eq!(on["status"]["observedRecurseSubmodules"], true);
    let again = changed(&world, "x", json!({"recurseSubmodules": false})).await;
    assert_eq!(again["status"]["artifact"]["digest"], off["status"]["artifact"]["digest"]);
    assert_ne!(again["status"]["observedRecurseSubmodules"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submodule_that_cannot_be_had_is_named_and_the_artifact_stays() {
    let world = world("submodules-gone").await;
    let repository = world.git.repository("r.git");
    nested_over(&world, &repository);
    world.space.source("x", spec(&world.git.url("r.git"))).await;
    let before = world.space.ready("x").await;

    // A repository that is not there, and then a commit that is not.
    let id = "1111111111111111111111111111111111111111";
    holding(&repository, "away", "../gone.git", id);
    world.space.patch("x", &json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})).await;
    let text = failed_but_kept(&world, &before).await;
    assert!(text.contains("submodule 'away': ") && text.contains("/gone.git") && text.contains("repository not found"), "{text}");

    let gone = world.git.repository("gone.git");
    let there = gone.commit(&[("g.yaml", "g: 1\n")]);
    let object = world
        .space
        .wait("x", "the commit is missed", |object| message(object, "FetchFailed").contains(&format!("'{id}': object not found")))
        .await;
    assert!(message(&object, "FetchFailed").contains("submodule 'away'"), "{object}");
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);

    let head = holding(&repository, "away", "../gone.git", &there);
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert!(paths(&object).await.contains(&"away/g.yaml".to_owned()));
}

fn nested_over(world: &World, repository: &Repository) {
    let mid = world.git.repository("mid.git").commit(&[("b.yaml", "b: 1\n")]);
    holding(repository, "mid", "../mid.git", &mid);
}
