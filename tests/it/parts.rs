//! What of a repository goes into its artifact: some folders, submodules, large files, links; and which tag it is of.

mod large;
mod links;
mod pruned;
mod sparse;
mod submodules;
mod tags;

use headwater_testing::git::Repository;
use serde_json::Value;

use crate::support::{
    artifact::{download, files, listing},
    cluster::embedded,
    namespace::{condition, message, revision},
    world::World,
};

async fn world(test: &str) -> World {
    World::new(embedded(), test).await
}

/// Changes the spec and waits until that has become an artifact.
async fn changed(world: &World, name: &str, change: Value) -> Value {
    let generation = world.space.get(name).await.unwrap()["metadata"]["generation"].as_i64().unwrap();
    world.space.patch(name, &serde_json::json!({"spec": change})).await;
    world
        .space
        .wait(name, "the new spec is Ready", |object| {
            object["status"]["observedGeneration"].as_i64() > Some(generation)
                && condition(object, "Ready").is_some_and(|ready| ready["status"] == "True")
                && condition(object, "Reconciling").is_none()
        })
        .await
}

/// Waits until the object fails though it has an artifact, and answers why. The artifact has to be `before`'s, and there.
async fn failed_but_kept(world: &World, before: &Value) -> String {
    let name = before["metadata"]["name"].as_str().unwrap();
    let object = world.space.failed(name, "GitOperationFailed").await;
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(condition(&object, "FetchFailed").unwrap()["status"], "True");
    download(&object).await.unwrap();
    message(&object, "FetchFailed").to_owned()
}

/// The paths of the files in the artifact.
async fn paths(object: &Value) -> Vec<String> {
    files(&listing(object).await).into_iter().map(str::to_owned).collect()
}

/// That another artifact is there for the same revision.
fn same_revision_other_artifact(before: &Value, after: &Value) {
    assert_eq!(revision(before), revision(after));
    assert_ne!(before["status"]["artifact"]["digest"], after["status"]["artifact"]["digest"]);
}

/// Commits onto `main` a tree of entries (mode, name, object), which are in git's order.
fn commit(repository: &Repository, entries: &[(&str, &str, &str)]) -> String {
    let entries: Vec<_> = entries.iter().map(|(mode, name, object)| (*mode, name.as_bytes(), *object)).collect();
    repository.commit_tree("main", &repository.raw_tree(&entries))
}
