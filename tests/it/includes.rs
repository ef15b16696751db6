//! A GitRepository takes in the artifacts of others, and follows them (`follow`).

mod follow;

use headwater_testing::git::Repository;
use serde_json::{Value, json};

use crate::support::{
    artifact::{files, listing},
    cluster::{Server, embedded, on_each_server},
    namespace::{condition, message, revision, status_is},
    world::World,
};

const OWN: &[(&str, &str)] = &[("own.yaml", "own: 1\n"), ("dir/own.yaml", "own: 2\n")];
const LIB: &[(&str, &str)] = &[("a.yaml", "a: 1\n"), ("deploy/b.yaml", "b: 1\n"), ("deploy/sub/c.yaml", "c: 1\n")];

on_each_server!(artifacts_of_others_go_where_the_object_says);
async fn artifacts_of_others_go_where_the_object_says(server: &Server) {
    let world = World::new(server, "include").await;
    let (_, lib) = source(&world, "lib", LIB).await;
    let (_, other) = source(&world, "other", &[("x.yaml", "x: 1\n")]).await;
    let head = repository(&world, "own").commit(OWN);
    let include = json!([
        {"repository": {"name": "lib"}},
        {"repository": {"name": "lib"}, "fromPath": "deploy", "toPath": "base/app"},
        {"repository": {"name": "other"}, "toPath": "./there/"},
        {"repository": {"name": "lib"}, "fromPath": "./deploy/sub/", "toPath": "lib/more"},
    ]);
    world.space.source("own", including(&world, "own", &include)).await;
    let object = world.space.ready("own").await;
    let expected = [
        "base/app/b.yaml",
        "base/app/sub/c.yaml",
        "dir/own.yaml",
        "lib/a.yaml",
        "lib/deploy/b.yaml",
        "lib/deploy/sub/c.yaml",
        "lib/more/c.yaml",
        "own.yaml",
        "there/x.yaml",
    ];
    let listing = listing(&object).await;
    assert_eq!(files(&listing), expected);
    assert_eq!(listing["base/app/sub/c.yaml"].content, b"c: 1\n");
    assert_eq!(revision(&object), format!("main@sha1:{head}"));
    let (lib, other) = (&lib["status"]["artifact"], &other["status"]["artifact"]);
    assert_eq!(object["status"]["includedArtifacts"], json!([lib, lib, other, lib]), "in the order of spec.include");
    assert_eq!(object["status"]["observedInclude"], include);
    for absent in ["IncludeUnavailable", "ArtifactOutdated", "StorageOperationFailed", "Reconciling"] {
        assert!(condition(&object, absent).is_none(), "{absent}: {}", object["status"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_either_tree() {
    let world = World::new(embedded(), "include-dots").await;
    source(&world, "lib", LIB).await;
    repository(&world, "own").commit(&[("own.yaml", "own: 1\n")]);
    let include = json!([
        {"repository": {"name": "lib"}, "fromPath": "../../deploy", "toPath": "../../etc/one"},
        {"repository": {"name": "lib"}, "fromPath": "/deploy/sub", "toPath": "/etc/two"},
        {"repository": {"name": "lib"}, "fromPath": "none/../../deploy/./sub", "toPath": "none/../../etc/three"},
        {"repository": {"name": "lib"}, "fromPath": "deploy/../..", "toPath": "all"},
    ]);
    world.space.source("own", including(&world, "own", &include)).await;
    let object = world.space.ready("own").await;
    let expected = [
        "all/a.yaml",
        "all/deploy/b.yaml",
        "all/deploy/sub/c.yaml",
        "etc/one/b.yaml",
        "etc/one/sub/c.yaml",
        "etc/three/c.yaml",
        "etc/two/c.yaml",
        "own.yaml",
    ];
    assert_eq!(files(&listing(&object).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_alone_and_takes_the_place_of_a_file() {
    let world = World::new(embedded(), "include-file").await;
    source(&world, "lib", LIB).await;
    repository(&world, "own").commit(OWN);
    let include = json!([
        {"repository": {"name": "lib"}, "fromPath": "a.yaml", "toPath": "own.yaml"},
        {"repository": {"name": "lib"}, "fromPath": "deploy/b.yaml", "toPath": "own.yaml"},
        {"repository": {"name": "lib"}, "fromPath": "deploy/sub/c.yaml", "toPath": "new/name.yaml"},
        {"repository": {"name": "lib"}, "fromPath": "a.yaml"},
    ]);
    world.space.source("own", including(&world, "own", &include)).await;
    let object = world.space.ready("own").await;
    let listing = listing(&object).await;
    assert_eq!(files(&listing), ["dir/own.yaml", "lib", "new/name.yaml", "own.yaml"]);
    assert_eq!(listing["own.yaml"].content, b"b: 1\n", "the last one counts");
    assert_eq!(listing["lib"].content, b"a: 1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_there_fails_and_leaves_nothing() {
    let world = World::new(embedded(), "include-bad").await;
    source(&world, "lib", LIB).await;
    repository(&world, "own").commit(OWN);
    let lib = |from: &str, to: &str| json!({"repository": {"name": "lib"}, "fromPath": from, "toPath": to});
    // Each with the paths of the include that its message names.
    let cases = [
        ("folder-over-folder", vec![lib("", "dir")], ("", "dir")),
        ("over-the-root", vec![lib("deploy", ".")], ("deploy", ".")),
        ("above-the-root", vec![lib("deploy", "../..")], ("deploy", "../..")),
        ("folder-over-file", vec![lib("deploy", "own.yaml")], ("deploy", "own.yaml")),
        ("file-over-folder", vec![lib("a.yaml", "dir")], ("a.yaml", "dir")),
        ("below-a-file", vec![lib("deploy", "own.yaml/x")], ("deploy", "own.yaml/x")),
        ("not-in-the-artifact", vec![lib("nothing", "x")], ("nothing", "x")),
        ("below-a-file-of-the-artifact", vec![lib("a.yaml/x", "x")], ("a.yaml/x", "x")),
        ("twice", vec![lib("deploy", "x"), lib("", "x")], ("", "x")),
        ("around-another", vec![lib("deploy", "x/y"), lib("", "x")], ("", "x")),
    ];
    for (name, include, _) in &cases {
        world.space.source(name, including(&world, "own", &json!(include))).await;
    }
    for (name, _, (from, to)) in &cases {
        let object = world.space.failed(name, "CopyFailure").await;
        assert!(status_is(&object, "StorageOperationFailed", "True"), "{name}: {}", object["status"]);
        let expected = format!("failed to copy 'lib' include from {from} to {to}: ");
        assert!(message(&object, "Ready").starts_with(&expected), "{name}: {}", message(&object, "Ready"));
        assert_eq!(condition(&object, "Reconciling").unwrap()["reason"], "ProgressingWithRetry", "{name}");
        assert!(object["status"]["artifact"].is_null(), "{name}: {}", object["status"]);
        assert_eq!(stored(&world, name), Vec::<String>::new(), "{name}");
    }
    let change = json!({"spec": {"include": [lib("deploy", "elsewhere")]}});
    world.space.patch("folder-over-folder", &change).await;
    let object = world.space.ready("folder-over-folder").await;
    assert_eq!(files(&listing(&object).await), ["dir/own.yaml", "elsewhere/b.yaml", "elsewhere/sub/c.yaml", "own.yaml"]);
    assert!(condition(&object, "StorageOperationFailed").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_object_itself_leaves_out_is_not_in_the_way_and_modes_are_kept() {
    let world = World::new(embedded(), "include-sparse").await;
    let lib = repository(&world, "lib");
    let script = lib.blob(b"#!/bin/sh\n");
    let head = lib.commit_tree("main", &lib.raw_tree(&[("100644", b"plain", &script), ("100755", b"run.sh", &script)]));
    world.space.source("lib", including(&world, "lib", &json!([]))).await;
    let included = listing(&world.space.ready_at("lib", &format!("main@sha1:{head}")).await).await;
    repository(&world, "own").commit(&[("dir/own.yaml", ""), ("lib/own.yaml", ""), ("secret.yaml", "")]);
    let mut spec = including(&world, "own", &json!([{"repository": {"name": "lib"}}, {"repository": {"name": "lib"}, "toPath": "more"}]));
    spec["sparseCheckout"] = json!(["dir"]);
    spec["ignore"] = json!("/more/plain\nsecret.yaml\n");
    world.space.source("own", spec).await;
    let listing = listing(&world.space.ready("own").await).await;
    assert_eq!(files(&listing), ["dir/own.yaml", "lib/plain", "lib/run.sh", "more/run.sh"]);
    assert_eq!((&listing["lib/plain"], &listing["lib/run.sh"]), (&included["plain"], &included["run.sh"]));
    assert_ne!(listing["lib/plain"].mode, listing["lib/run.sh"].mode);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignore_file_of_an_included_artifact_counts_below_its_place() {
    let world = World::new(embedded(), "include-ignore").await;
    repository(&world, "lib").commit(&[
        (".sourceignore", "*.txt\n/top.yaml\n"),
        ("a.txt", ""),
        ("b.yaml", ""),
        ("top.yaml", ""),
        ("sub/top.yaml", ""),
    ]);
    // The object itself keeps what the file says to leave out.
    let mut spec = including(&world, "lib", &json!([]));
    spec["ignore"] = json!("!*.txt\n!/top.yaml\n");
    world.space.source("lib", spec).await;
    let lib = world.space.ready("lib").await;
    assert_eq!(files(&listing(&lib).await), [".sourceignore", "a.txt", "b.yaml", "sub/top.yaml", "top.yaml"]);
    repository(&world, "own").commit(&[("own.txt", ""), ("top.yaml", "")]);
    world.space.source("own", including(&world, "own", &json!([{"repository": {"name": "lib"}, "toPath": "x/lib"}]))).await;
    let object = world.space.ready("own").await;
    assert_eq!(files(&listing(&object).await), ["own.txt", "top.yaml", "x/lib/.sourceignore", "x/lib/b.yaml", "x/lib/sub/top.yaml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignore_file_counts_for_what_is_included_and_no_longer_once_it_is_replaced() {
    let world = World::new(embedded(), "include-rules").await;
    source(&world, "lib", LIB).await;
    source(&world, "rules", &[("rules", "/own.yaml\n")]).await;
    repository(&world, "own").commit(&[(".sourceignore", "c.yaml\n/lib/a.yaml\n"), ("own.yaml", ""), ("c.yaml", "")]);
    world.space.source("own", including(&world, "own", &json!([{"repository": {"name": "lib"}}]))).await;
    let object = world.space.ready("own").await;
    assert_eq!(files(&listing(&object).await), [".sourceignore", "lib/deploy/b.yaml", "own.yaml"]);
    let include =
        json!([{"repository": {"name": "lib"}}, {"repository": {"name": "rules"}, "fromPath": "rules", "toPath": ".sourceignore"}]);
    world.space.patch("own", &json!({"spec": {"include": include}})).await;
    let object = world.space.ready("own").await;
    let expected = [".sourceignore", "c.yaml", "lib/a.yaml", "lib/deploy/b.yaml", "lib/deploy/sub/c.yaml"];
    assert_eq!(files(&listing(&object).await), expected);
}

fn repository(world: &World, name: &str) -> Repository {
    world.git.repository(&format!("{name}.git"))
}

/// The spec of an object for the repository of that name.
fn including(world: &World, repository: &str, include: &Value) -> Value {
    let url = world.git.url(&format!("{repository}.git"));
    json!({"url": url, "interval": "60m", "ref": {"branch": "main"}, "include": include})
}

/// A repository with these files, and an object for it that is ready.
async fn source(world: &World, name: &str, files: &[(&str, &str)]) -> (Repository, Value) {
    let repository = repository(world, name);
    repository.commit(files);
    world.space.source(name, including(world, name, &json!([]))).await;
    (repository, world.space.ready(name).await)
}

/// The files that are stored for the object.
fn stored(world: &World, name: &str) -> Vec<String> {
    let prefix = format!("gitrepository/{}/{name}/", world.space.name);
    world.controller.stored().into_iter().filter(|path| path.starts_with(&prefix)).collect()
}
