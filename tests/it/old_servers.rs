//! A Git server that is older, and knows less, than git's own of today.

use headwater_testing::git::server::{Dialect, Wants};
use serde_json::json;

use crate::support::{
    artifact::{files, listing},
    cluster::embedded,
    namespace::message,
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_0_that_cannot_give_a_part_of_the_history() {
    let world = World::with(embedded(), "v0-deep", &["--log-level=debug"]).await;
    let repository = world.git.repository("r.git");
    let first = repository.commit(&[("one", "1")]);
    repository.commit(&[("two", "2")]);
    let knows = |capability: &str| capability != "shallow" && !capability.starts_with("deepen");
    world.git.set_dialect(Dialect { version: 0, wants: Wants::Anything, knows });
    let url = world.git.url("r.git");
    let absent = "1234567890123456789012345678901234567890";
    world.space.source("absent", json!({"url": url, "timeout": "10s", "ref": {"branch": "main", "commit": absent}})).await;
    world.space.source("older", json!({"url": url, "timeout": "10s", "ref": {"branch": "main", "commit": first}})).await;
    let object = world.space.ready_at("older", &format!("main@sha1:{first}")).await;
    assert_eq!(files(&listing(&object).await), ["one"]);
    let object = world.space.failed("absent", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("object not found"), "{}", object["status"]);
    assert!(world.controller.log().contains("shallow"), "the fallback is told at the level debug");
}
