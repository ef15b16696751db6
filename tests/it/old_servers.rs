//! Git servers that are older, or know less, than git's own of today.

use axum::body::Bytes;
use headwater_testing::git::{
    client::clone,
    server::{Dialect, GitServer, Mode, Wants},
};
use serde_json::{Value, json};

use crate::support::{
    artifact::{files, listing},
    cluster::embedded,
    namespace::{message, status_is},
    world::World,
};

/// The commits of a repository: three on `main`, each with files of its own, and one on `other`.
struct History {
    first: String,
    second: String,
    third: String,
    other: String,
}

impl History {
    fn new(git: &GitServer) -> Self {
        let repository = git.repository("r.git");
        let first = repository.commit(&[("one", "1"), ("dir/one", "1")]);
        repository.tag("v1.0.0");
        let second = repository.commit(&[("two", "2")]);
        repository.annotated_tag("v2.0.0");
        let third = repository.commit(&[("three", "3")]);
        let other = repository.commit_to("other", &[("other", "4")]);
        Self { first, second, third, other }
    }

    /// Each way to name a commit, the revision that it gives, and a file that tells the commit.
    fn references(&self) -> Vec<(&'static str, Value, String, &'static str)> {
        let Self { first, second, third, other } = self;
        vec![
            ("branch", json!({"branch": "main"}), format!("main@sha1:{third}"), "three"),
            ("tag", json!({"tag": "v1.0.0"}), format!("v1.0.0@sha1:{first}"), "one"),
            ("annotated", json!({"tag": "v2.0.0"}), format!("v2.0.0@sha1:{second}"), "two"),
            ("semver", json!({"semver": ">=1"}), format!("v2.0.0@sha1:{second}"), "two"),
            ("name", json!({"name": "refs/heads/other"}), format!("refs/heads/other@sha1:{other}"), "other"),
            ("tip", json!({"branch": "main", "commit": third}), format!("main@sha1:{third}"), "three"),
            ("older", json!({"branch": "main", "commit": first}), format!("main@sha1:{first}"), "one"),
            ("alone", json!({"commit": second}), format!("sha1:{second}"), "two"),
            ("alone-other", json!({"commit": other}), format!("sha1:{other}"), "other"),
        ]
    }
}

/// Lets a server speak a dialect, and panics unless each reference gives its artifact, and a new commit the next one.
async fn speaks(test: &str, dialect: Dialect) -> World {
    let world = World::with(embedded(), test, &["--concurrent=8", "--log-level=debug"]).await;
    let history = History::new(&world.git);
    world.git.set_dialect(dialect);
    let references = history.references();
    let url = world.git.url("r.git");
    for (name, reference, _, _) in &references {
        world.space.source(name, json!({"url": url, "timeout": "10s", "ref": reference})).await;
    }
    let absent = "1234567890123456789012345678901234567890";
    world.space.source("absent", json!({"url": url, "timeout": "10s", "ref": {"branch": "main", "commit": absent}})).await;
    for (name, _, revision, file) in &references {
        let object = world.space.ready_at(name, revision).await;
        assert!(files(&listing(&object).await).contains(file), "{name}");
    }
    let object = world.space.failed("absent", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("object not found"), "{}", object["status"]);

    let fourth = world.git.repository("r.git").commit(&[("four", "4")]);
    world.space.poke("branch").await;
    let object = world.space.ready_at("branch", &format!("main@sha1:{fourth}")).await;
    assert_eq!(files(&listing(&object).await), ["four"]);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_0() {
    speaks("v0", Dialect { version: 0, ..Dialect::NEWEST }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_1() {
    speaks("v1", Dialect { version: 1, ..Dialect::NEWEST }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_only_what_its_references_point_at() {
    speaks("v0-wants", Dialect { version: 0, wants: Wants::References, ..Dialect::NEWEST }).await;
}

/// Whether a fetch can be shallow.
fn is_deep(capability: &str) -> bool {
    capability != "shallow" && !capability.starts_with("deepen")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_0_that_cannot_give_a_part_of_the_history() {
    let world = speaks("v0-deep", Dialect { version: 0, wants: Wants::Anything, knows: is_deep }).await;
    assert!(world.controller.log().contains("shallow"), "the fallback is told at the level debug");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_2_that_cannot_give_a_part_of_the_history() {
    speaks("v2-deep", Dialect { version: 2, wants: Wants::Anything, knows: is_deep }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_neither_parts_nor_objects_by_id() {
    speaks("v0-least", Dialect { version: 0, wants: Wants::References, knows: is_deep }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_negotiates_in_the_older_way() {
    let knows = |capability: &str| {
        let known = ["multi_ack", "thin-pack", "side-band", "side-band-64k", "no-progress", "shallow"];
        known.contains(&capability) || ["allow-tip-sha1-in-want", "allow-reachable-sha1-in-want", "filter"].contains(&capability)
    };
    speaks("v0-multi-ack", Dialect { version: 0, wants: Wants::Anything, knows }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_version_2_that_cannot_filter() {
    speaks("v2-plain", Dialect { version: 2, wants: Wants::Anything, knows: |capability| capability != "filter" }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_updated_in_the_meantime() {
    let world = speaks("upgrade", Dialect { version: 0, wants: Wants::References, knows: is_deep }).await;
    let repository = world.git.repository("r.git");
    for dialect in [Dialect::NEWEST, Dialect { version: 1, ..Dialect::NEWEST }, Dialect { version: 0, ..Dialect::NEWEST }] {
        world.git.set_dialect(dialect);
        let head = repository.commit(&[("next", &format!("version {}", dialect.version))]);
        world.space.poke("branch").await;
        world.space.ready_at("branch", &format!("main@sha1:{head}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_plain_files_is_refused() {
    let world = World::new(embedded(), "dumb").await;
    let head = world.git.repository("r.git").commit(&[("a", "a")]);
    world.git.set_mode(Mode::Status(200, Bytes::from(format!("{head}\trefs/heads/main\n"))));
    world.space.source("x", json!({"url": world.git.url("r.git"), "timeout": "5s", "ref": {"branch": "main"}})).await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    let text = message(&object, "FetchFailed");
    assert!(text.contains("unable to clone") && !text.contains("timed out") && !text.contains('\n'), "{text}");
    assert!(status_is(&object, "FetchFailed", "True"));
    world.git.set_mode(Mode::Serve);
    world.space.ready("x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn git_itself_understands_these_dialects() {
    let (git, folder) = (GitServer::start().await, tempfile::tempdir().unwrap());
    History::new(&git);
    let deep = |version| Dialect { version, wants: Wants::Anything, knows: is_deep };
    for (name, dialect, shallow) in [
        ("v2", Dialect::NEWEST, true),
        ("v1", Dialect { version: 1, ..Dialect::NEWEST }, true),
        ("v0", Dialect { version: 0, ..Dialect::NEWEST }, true),
        ("v0-deep", deep(0), false),
        ("v2-deep", deep(2), false),
    ] {
        git.set_dialect(dialect);
        let cloned = clone(git.url("r.git"), &folder.path().join(name), &["protocol.version=2"], &[]).await;
        assert_eq!(cloned.is_ok(), shallow, "{name}: {cloned:?}");
    }
    git.set_mode(Mode::Status(200, Bytes::from_static(b"")));
    assert!(clone(git.url("r.git"), &folder.path().join("dumb"), &[], &[]).await.is_err());
}
