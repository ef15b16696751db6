//! `spec.sparseCheckout`.

use headwater_testing::{git::front::Front, noise};
use serde_json::{Value, json};

use super::{changed, failed_but_kept, paths, same_revision_other_artifact, world};
use crate::support::{
    artifact::{files, listing},
    namespace::{condition, message, revision},
};

const FILES: &[(&str, &str)] = &[
    (".hidden/h.yaml", "h: 1\n"),
    ("a.yaml", "a: 1\n"),
    ("dir/b.yaml", "b: 1\n"),
    ("dir/sub/c.yaml", "c: 1\n"),
    ("dir2/d.yaml", "d: 1\n"),
    ("directory.yaml", "e: 1\n"),
    ("other/f.yaml", "f: 1\n"),
];

fn spec(url: &str, folders: &[&str]) -> Value {
    json!({"url": url, "ref": {"branch": "main"}, "sparseCheckout": folders})
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_taken_letter_by_letter() {
    let world = world("sparse").await;
    let head = world.git.repository("r.git").commit(FILES);
    let cases: &[(&[&str], &[&str])] = &[
        (&["dir"], &["dir/b.yaml", "dir/sub/c.yaml", "dir2/d.yaml", "directory.yaml"]),
        (&["dir/"], &["dir/b.yaml", "dir/sub/c.yaml"]),
        (&["dir/sub"], &["dir/sub/c.yaml"]),
        (&["./other"], &["other/f.yaml"]),
        (&["dir/sub", "other"], &["dir/sub/c.yaml", "other/f.yaml"]),
        (&["a.yaml"], &["a.yaml"]),
        (&["."], &[".hidden/h.yaml"]),
    ];
    for (at, (folders, _)) in cases.iter().enumerate() {
        world.space.source(&format!("x{at}"), spec(&world.git.url("r.git"), folders)).await;
    }
    for (at, (folders, expected)) in cases.iter().enumerate() {
        let object = world.space.ready(&format!("x{at}")).await;
        assert_eq!(paths(&object).await, *expected, "{folders:?}");
        assert_eq!(object["status"]["observedSparseCheckout"], json!(folders));
        assert_eq!(revision(&object), format!("main@sha1:{head}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_taken_where_the_root_is_named() {
    let world = world("sparse-all").await;
    world.git.repository("r.git").commit(FILES);
    let url = world.git.url("r.git");
    world.space.source("plain", json!({"url": url, "ref": {"branch": "main"}})).await;
    world.space.source("root", spec(&url, &["./"])).await;
    let (plain, root) = (world.space.ready("plain").await, world.space.ready("root").await);
    assert_eq!(plain["status"]["artifact"]["digest"], root["status"]["artifact"]["digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_fails_the_pass_until_it_is() {
    let world = world("sparse-gone").await;
    let repository = world.git.repository("r.git");
    repository.commit(FILES);
    world.space.source("x", spec(&world.git.url("r.git"), &["dir", "later"])).await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    let text = message(&object, "FetchFailed");
    let start = "failed to sparse checkout directories : sparse checkout dir 'later' does not exist in repository: lstat ";
    assert!(text.starts_with(start) && text.ends_with("/later: no such file or directory"), "{text}");
    assert_eq!(condition(&object, "FetchFailed").unwrap()["reason"], "GitOperationFailed");
    assert!(object["status"]["artifact"].is_null() && object["status"]["observedSparseCheckout"].is_null());

    let head = repository.commit(&[("dir/b.yaml", "b: 1\n"), ("later/l.yaml", "l: 1\n"), ("z.yaml", "z: 1\n")]);
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert_eq!(paths(&object).await, ["dir/b.yaml", "later/l.yaml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_list_makes_another_artifact_of_the_same_revision() {
    let world = world("sparse-change").await;
    world.git.repository("r.git").commit(FILES);
    world.space.source("x", spec(&world.git.url("r.git"), &["other"])).await;
    let first = world.space.ready("x").await;

    let second = changed(&world, "x", json!({"sparseCheckout": ["dir/sub"]})).await;
    same_revision_other_artifact(&first, &second);
    assert_eq!(second["status"]["observedSparseCheckout"], json!(["dir/sub"]));
    assert_eq!(paths(&second).await, ["dir/sub/c.yaml"]);

    world.space.patch("x", &json!({"spec": {"sparseCheckout": ["gone"]}})).await;
    let text = failed_but_kept(&world, &second).await;
    assert!(text.contains("sparse checkout dir 'gone'"), "{text}");

    let all = changed(&world, "x", json!({"sparseCheckout": null})).await;
    same_revision_other_artifact(&second, &all);
    assert!(all["status"]["observedSparseCheckout"].is_null());
    assert_eq!(paths(&all).await.len(), FILES.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn little_goes_over_the_wire_where_the_server_can_filter() {
    let world = world("sparse-wire").await;
    let large = noise(64 << 10);
    let files = [("big/large", large.as_str()), ("small/a.yaml", "a: 1\n")];
    for name in ["filters.git", "does-not.git"] {
        world.git.repository(name).commit(&files);
    }
    let front = Front::start(&world.git).await;
    world.space.source("filters", spec(&front.url("filters.git"), &["small"])).await;
    let object = world.space.ready("filters").await;
    assert_eq!(paths(&object).await, ["small/a.yaml"]);
    let some = front.bytes();
    assert!(some < 16 << 10, "{some}");

    front.hide_filter();
    world.space.source("does-not", spec(&front.url("does-not.git"), &["small"])).await;
    let object = world.space.ready("does-not").await;
    assert_eq!(paths(&object).await, ["small/a.yaml"]);
    let all = front.bytes();
    assert!(all > 128 << 10, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_name_a_commit_goes_with_folders() {
    let world = world("sparse-refs").await;
    let repository = world.git.repository("r.git");
    let one = repository.commit(&[("dir/a.yaml", "a: 1\n"), ("z.yaml", "z: 1\n")]);
    repository.tag("v1.0.0");
    let two = repository.commit(&[("dir/a.yaml", "a: 2\n"), ("z.yaml", "z: 2\n")]);
    repository.annotated_tag("v1.2.0");
    let off = repository.commit_to("off", &[("dir/a.yaml", "a: 3\n")]);
    let cases = [
        ("tag", json!({"tag": "v1.0.0"}), format!("v1.0.0@sha1:{one}"), "a: 1\n"),
        ("annotated", json!({"semver": "1.x"}), format!("v1.2.0@sha1:{two}"), "a: 2\n"),
        ("name", json!({"name": "refs/heads/off"}), format!("refs/heads/off@sha1:{off}"), "a: 3\n"),
        ("commit", json!({"branch": "main", "commit": one}), format!("main@sha1:{one}"), "a: 1\n"),
        ("commit-alone", json!({"commit": one}), format!("sha1:{one}"), "a: 1\n"),
    ];
    let url = world.git.url("r.git");
    world.space.source("off", json!({"url": url, "ref": {"branch": "main", "commit": off}, "sparseCheckout": ["dir"]})).await;
    for (name, reference, ..) in &cases {
        world.space.source(name, json!({"url": url, "ref": reference, "sparseCheckout": ["dir"]})).await;
    }
    for (name, _, revision, content) in &cases {
        let object = world.space.ready_at(name, revision).await;
        let listing = listing(&object).await;
        assert_eq!(files(&listing), ["dir/a.yaml"], "{name}");
        assert_eq!(listing["dir/a.yaml"].content, content.as_bytes(), "{name}");
    }
    let object = world.space.failed("off", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("object not found"), "{}", object["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_costs_its_folders_and_an_old_one_nothing() {
    let world = world("sparse-next").await;
    let repository = world.git.repository("r.git");
    let (large, larger) = (noise(64 << 10), noise(80 << 10));
    repository.commit(&[("big/large", &large), ("small/a.yaml", "a: 1\n")]);
    let front = Front::start(&world.git).await;
    world.space.source("x", spec(&front.url("r.git"), &["small"])).await;
    world.space.ready("x").await;
    front.bytes();
    world.space.poke("x").await;
    let same = front.bytes();
    assert!(same < 1 << 10, "{same}");
    let head = repository.commit(&[("big/large", &larger), ("small/a.yaml", "a: 2\n")]);
    world.space.poke("x").await;
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert_eq!(paths(&object).await, ["small/a.yaml"]);
    let next = front.bytes();
    assert!(next < 16 << 10, "{next}");
    // What somebody else has fetched in full is taken from there.
    world.space.source("full", json!({"url": front.url("r.git"), "ref": {"branch": "main"}})).await;
    world.space.ready("full").await;
    assert!(front.bytes() > 128 << 10);
    world.space.source("again", spec(&front.url("r.git"), &["big"])).await;
    let object = world.space.ready("again").await;
    assert_eq!(paths(&object).await, ["big/large"]);
    let again = front.bytes();
    assert!(again < 16 << 10, "{again}");
}
