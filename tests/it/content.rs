//! What ends up in an artifact, and that the same tree always gives the same bytes.

use std::io::Write;
use std::process::Stdio;

use headwater_testing::{command, needs};
use serde_json::json;

use crate::support::{
    artifact::{download, files, listing},
    cluster::{Server, on_each_server},
    world::World,
};

on_each_server!(ignore_files_in_any_folder_shape_the_artifact);
async fn ignore_files_in_any_folder_shape_the_artifact(server: &Server) {
    let world = World::new(server, "sourceignore").await;
    world.git.repository("r.git").commit(&[
        (".sourceignore", "*.md\n/vendor/\n"),
        ("README.md", "x"),
        ("a.yaml", "a"),
        ("dir/.sourceignore", "b.yaml\n"),
        ("dir/b.yaml", "b"),
        ("dir/c.yaml", "c"),
        ("pic.jpg", "excluded only where no ignore file is"),
        ("vendor/v.go", "v"),
    ]);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let listing = listing(&world.space.ready("x").await).await;
    let kept: Vec<_> = files(&listing).into_iter().filter(|path| !path.ends_with(".sourceignore")).collect();
    assert_eq!(kept, ["a.yaml", "dir/c.yaml", "pic.jpg"]);
}

on_each_server!(two_objects_of_one_commit_get_the_same_bytes);
async fn two_objects_of_one_commit_get_the_same_bytes(server: &Server) {
    let world = World::new(server, "same-bytes").await;
    let content = "some text that is not short\n".repeat(40_000);
    let files: Vec<_> = (0..8).map(|n| (format!("dir{n}/file"), format!("{n} {content}"))).collect();
    let files: Vec<_> = files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    world.git.repository("r.git").commit(&files);
    for name in ["one", "two"] {
        world.space.source(name, json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    }
    let one = download(&world.space.ready("one").await).await.unwrap();
    let two = download(&world.space.ready("two").await).await.unwrap();
    assert!(one == two, "the archives differ");
}

on_each_server!(an_archive_of_many_segments_is_one_member_to_the_gzip_reader_of_go);
async fn an_archive_of_many_segments_is_one_member_to_the_gzip_reader_of_go(server: &Server) {
    needs!("go");
    let world = World::new(server, "gunzip").await;
    let content = "some text that is not short\n".repeat(40_000);
    let files: Vec<_> = (0..8).map(|n| (format!("dir{n}/file"), format!("{n} {content}"))).collect();
    let files: Vec<_> = files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    world.git.repository("r.git").commit(&files);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let bytes = download(&world.space.ready("x").await).await.unwrap();
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gunzip/main.go");
    let mut go = command("go").args(["run", reader]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = go.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || input.write_all(&bytes));
    let output = go.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    assert!(output.status.success());
    let expected: Vec<_> = files.iter().map(|(path, content)| format!("{path} {}", content.len())).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), expected);
}

on_each_server!(links_and_executables_are_stored_as_upstream_stores_them);
async fn links_and_executables_are_stored_as_upstream_stores_them(server: &Server) {
    let world = World::new(server, "modes").await;
    let repository = world.git.repository("r.git");
    let (script, target) = (repository.blob(b"#!/bin/sh\n"), repository.blob(b"run.sh"));
    let tree = repository.raw_tree(&[("120000", b"link", &target), ("100755", b"run.sh", &script)]);
    repository.commit_tree("main", &tree);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let listing = listing(&world.space.ready("x").await).await;
    assert_eq!(listing["run.sh"].mode, 0o700);
    assert!(!listing.contains_key("link"), "links are left out");
}
