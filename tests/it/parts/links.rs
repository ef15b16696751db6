//! `spec.symlinks`.

use std::{collections::BTreeMap, path::Path};

use flate2::read::GzDecoder;
use headwater_testing::{command, git::Repository, needs};
use serde_json::{Value, json};
use tar::{Archive, EntryType};

use super::{changed, commit, paths, same_revision_other_artifact, world};
use crate::support::{
    artifact::{check, download},
    namespace::revision,
};

/// A repository with links of every kind.
fn linked(repository: &Repository) -> String {
    let blob = |text: &str| repository.blob(text.as_bytes());
    let (a, b) = (blob("a: 1\n"), blob("b: 1\n"));
    let (up, above) = (blob("../a.yaml"), blob("../../etc/passwd"));
    let dir = repository.raw_tree(&[("120000", b"above", &above), ("100644", b"b.yaml", &b), ("120000", b"up", &up)]);
    commit(
        repository,
        &[
            ("100644", "a.yaml", &a),
            ("120000", "absolute", &blob("/etc/passwd")),
            ("120000", "chain", &blob("inside")),
            ("120000", "dangling", &blob("gone")),
            ("40000", "dir", &dir),
            ("120000", "folder", &blob("dir")),
            ("120000", "git", &blob(".git/config")),
            ("120000", "inside", &blob("./dir/../a.yaml")),
            ("120000", "long", &blob(&format!("dir/{}", "x".repeat(300)))),
            ("120000", "out", &blob("../a.yaml")),
            ("120000", "through", &blob("folder/b.yaml")),
        ],
    )
}

/// The links in the artifact, with their targets.
async fn links(object: &Value) -> BTreeMap<String, String> {
    let bytes = download(object).await.unwrap();
    check(object, &bytes);
    let mut links = BTreeMap::new();
    for entry in Archive::new(GzDecoder::new(bytes.as_slice())).entries().unwrap() {
        let entry = entry.unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        match entry.header().entry_type() {
            EntryType::Symlink => {
                let target = entry.link_name().unwrap().unwrap();
                links.insert(text(&entry.path().unwrap()), text(&target));
            }
            kind => assert!(kind.is_file() || kind.is_dir(), "{kind:?}"),
        }
    }
    links
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_stay_inside_are_kept_where_that_is_asked_for() {
    needs!("tar", "gzip");
    let world = world("links").await;
    let head = linked(&world.git.repository("r.git"));
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}, "symlinks": "Keep"})).await;
    let object = world.space.ready("x").await;
    assert_eq!(revision(&object), format!("main@sha1:{head}"));
    let long = format!("dir/{}", "x".repeat(300));
    let mut expected = BTreeMap::from([
        ("chain", "inside"),
        ("dangling", "gone"),
        ("dir/up", "../a.yaml"),
        ("folder", "dir"),
        ("inside", "./dir/../a.yaml"),
        ("long", &long),
    ]);
    let found = links(&object).await;
    // What is to become of one that leads to where Git keeps its own is not promised.
    expected.extend(found.get("git").map(|target| ("git", target.as_str())));
    assert_eq!(found.iter().map(|(path, target)| (path.as_str(), target.as_str())).collect::<BTreeMap<_, _>>(), expected);

    // GNU tar unpacks it, and the links lead to the files.
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("x.tar.gz");
    std::fs::write(&archive, download(&object).await.unwrap()).unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let output = command("tar").args(["-xzf"]).arg(&archive).arg("-C").arg(&tree).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    for (path, content) in
        [("chain", "a: 1\n"), ("dir/up", "a: 1\n"), ("folder/b.yaml", "b: 1\n"), ("folder/up", "a: 1\n"), ("inside", "a: 1\n")]
    {
        assert_eq!(std::fs::read_to_string(tree.join(path)).unwrap(), content, "{path}");
    }
    assert_eq!(std::fs::read_link(tree.join("folder")).unwrap(), Path::new("dir"));
    assert!(std::fs::symlink_metadata(tree.join("dangling")).unwrap().is_symlink());
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_left_out_otherwise_and_a_change_makes_another_artifact() {
    let world = world("links-skip").await;
    linked(&world.git.repository("r.git"));
    let spec = json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}});
    let mut skip = spec.clone();
    skip["symlinks"] = json!("Skip");
    world.space.source("x", spec).await;
    world.space.source("skip", skip).await;
    let (without, skip) = (world.space.ready("x").await, world.space.ready("skip").await);
    assert_eq!(paths(&without).await, ["a.yaml", "dir/b.yaml"]);
    assert_eq!(without["status"]["artifact"]["digest"], skip["status"]["artifact"]["digest"]);
    assert_eq!(without["status"]["contentConfigChecksum"], skip["status"]["contentConfigChecksum"]);

    let keep = changed(&world, "x", json!({"symlinks": "Keep"})).await;
    same_revision_other_artifact(&without, &keep);
    let back = changed(&world, "x", json!({"symlinks": null})).await;
    assert_eq!(without["status"]["artifact"]["digest"], back["status"]["artifact"]["digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_follow_the_folders_and_the_rules_of_the_artifact() {
    let world = world("links-sparse").await;
    linked(&world.git.repository("r.git"));
    let spec = json!({
        "url": world.git.url("r.git"), "ref": {"branch": "main"}, "symlinks": "Keep", "sparseCheckout": ["dir"],
    });
    world.space.source("sparse", spec).await;
    let spec = json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}, "symlinks": "Keep", "ignore": "chain\n/dir/\n"});
    world.space.source("ignore", spec).await;
    let sparse = world.space.ready("sparse").await;
    assert_eq!(links(&sparse).await.into_keys().collect::<Vec<_>>(), ["dir/up"]);
    let ignore = links(&world.space.ready("ignore").await).await;
    assert!(!ignore.contains_key("chain") && !ignore.contains_key("dir/up") && ignore.contains_key("inside"), "{ignore:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_can_be_asked_for() {
    let world = world("links-enum").await;
    let refusal = world.space.try_source("x", json!({"url": world.git.url("r.git"), "symlinks": "Follow"})).await.unwrap_err();
    assert!(refusal.to_string().contains("spec.symlinks"), "{refusal}");
}
