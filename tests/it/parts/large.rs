//! `spec.lfs`.

use headwater_testing::{
    command,
    git::{
        front::{Front, pointer},
        server::Access,
    },
    needs, noise,
};
use serde_json::{Value, json};

use super::{changed, commit, failed_but_kept, same_revision_other_artifact, world};
use crate::support::{
    artifact::{files, listing},
    cluster::embedded,
    namespace::{condition, message},
    world::World,
};

const ATTRIBUTES: (&str, &str) = (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");

fn spec(url: &str) -> Value {
    json!({"url": url, "ref": {"branch": "main"}, "lfs": true})
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_are_fetched_where_that_is_asked_for() {
    let world = world("lfs").await;
    let front = Front::start(&world.git).await;
    let (content, other) = (noise(8 << 10), "second".to_owned());
    let (pointer, second) = (front.keep(content.as_bytes()), front.keep(other.as_bytes()));
    let files = [
        ATTRIBUTES,
        ("a.yaml", "a: 1\n"),
        ("dir/two.bin", second.as_str()),
        ("one.bin", pointer.as_str()),
        ("plain.bin", "this is no pointer"),
        ("same.bin", pointer.as_str()),
        ("text.txt", pointer.as_str()),
    ];
    let head = world.git.repository("r.git").commit(&files);
    world.space.source("x", json!({"url": front.url("r.git"), "ref": {"branch": "main"}})).await;
    let without = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert_eq!(listing(&without).await["one.bin"].content, pointer.as_bytes());
    assert!(front.asked().is_empty());

    let with = changed(&world, "x", json!({"lfs": true})).await;
    same_revision_other_artifact(&without, &with);
    let listing = listing(&with).await;
    for (path, expected) in [
        ("one.bin", content.as_bytes()),
        ("same.bin", content.as_bytes()),
        ("dir/two.bin", other.as_bytes()),
        ("plain.bin", b"this is no pointer"),
        ("text.txt", pointer.as_bytes()),
        ("a.yaml", b"a: 1\n"),
    ] {
        assert!(listing[path].content == expected, "{path}");
    }
    // One question, and each object once.
    let asked: Vec<_> = front.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(asked.iter().filter(|path| path.ends_with("/r.git/info/lfs/objects/batch")).count(), 1, "{asked:?}");
    assert_eq!(asked.len(), 3, "{asked:?}");

    // An unchanged one asks for nothing.
    let after = world.space.poke("x").await;
    assert_eq!(after["status"]["artifact"], with["status"]["artifact"]);
    assert_eq!(front.asked().len(), 3);
    let back = changed(&world, "x", json!({"lfs": false})).await;
    assert_eq!(back["status"]["artifact"]["digest"], without["status"]["artifact"]["digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_that_is_missing_or_another_is_named_and_the_artifact_stays() {
    let world = world("lfs-bad").await;
    let front = Front::start(&world.git).await;
    let wrong = front.keep_as(b"what was promised", b"what was is given");
    let short = front.keep_as(b"what was promised at length", b"what");
    let cases = [("missing", pointer(b"nobody has this")), ("wrong", wrong), ("short", short)];
    for (name, pointer) in &cases {
        let repository = world.git.repository(&format!("{name}.git"));
        repository.commit(&[ATTRIBUTES, ("dir/large.bin", pointer)]);
        world.space.source(name, json!({"url": front.url(&format!("{name}.git")), "ref": {"branch": "main"}})).await;
    }
    for (name, _) in &cases {
        let before = world.space.ready(name).await;
        world.space.patch(name, &json!({"spec": {"lfs": true}})).await;
        let text = failed_but_kept(&world, &before).await;
        assert!(text.contains("unable to fetch the Git LFS file \"dir/large.bin\""), "{text}");
        assert!(!text.contains("what was is given"), "{text}");
    }
    // When they are there, all is well.
    for content in ["nobody has this", "what was promised", "what was promised at length"] {
        front.keep(content.as_bytes());
    }
    for ((name, _), content) in cases.iter().zip(["nobody has this", "what was promised", "what was promised at length"]) {
        let object = world
            .space
            .wait(name, "Ready again", |object| {
                condition(object, "Ready").is_some_and(|ready| ready["status"] == "True")
                    && condition(object, "FetchFailed").is_none()
                    && object["status"]["observedGeneration"] == object["metadata"]["generation"]
            })
            .await;
        assert_eq!(listing(&object).await["dir/large.bin"].content, content.as_bytes(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_the_servers_own_place_alone() {
    let world = world("lfs-auth").await;
    world.git.set_access(Access::Basic("user", "pass"));
    let store = Front::start(&world.git).await;
    let front = Front::with_store(&world.git, Some(&store)).await;
    let pointer = store.keep(b"content");
    world.git.repository("r.git").commit(&[ATTRIBUTES, ("one.bin", &pointer)]);
    // The same host, but another port.
    let config = format!("[lfs]\n\turl = {}/elsewhere/info/lfs\n", store.origin);
    world.git.repository("named.git").commit(&[ATTRIBUTES, (".lfsconfig", &config), ("one.bin", &pointer)]);
    world.space.secret("s", &[("username", "user"), ("password", "pass")]).await;
    for name in ["r", "named"] {
        let mut spec = spec(&front.url(&format!("{name}.git")));
        spec["secretRef"] = json!({"name": "s"});
        world.space.source(name, spec).await;
    }
    for name in ["r", "named"] {
        let object = world.space.ready(name).await;
        assert_eq!(listing(&object).await["one.bin"].content, b"content");
    }
    let batches = front.asked();
    assert!(batches.len() == 1 && batches[0].authorization.is_some(), "{batches:?}");
    let stored = store.asked();
    assert!(stored.len() == 3 && stored.iter().all(|asked| asked.authorization.is_none()), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_large_files_is_told_of() {
    let world = world("lfs-none").await;
    world.git.repository("r.git").commit(&[ATTRIBUTES, ("one.bin", &pointer(b"content"))]);
    world.git.repository("plain.git").commit(&[ATTRIBUTES, ("one.bin", "no pointer")]);
    world.space.source("x", spec(&world.git.url("r.git"))).await;
    world.space.source("plain", spec(&world.git.url("plain.git"))).await;
    world.space.ready("plain").await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    let text = message(&object, "FetchFailed");
    assert!(text.starts_with("failed to checkout and determine revision: ") && text.to_lowercase().contains("lfs"), "{text}");
    assert!(object["status"]["artifact"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn git_lfs_itself_gets_the_same_files_from_this_server() {
    needs!("git-lfs");
    let world = world("lfs-real").await;
    let front = Front::start(&world.git).await;
    let content = noise(1 << 10);
    let pointer = front.keep(content.as_bytes());
    world.git.repository("r.git").commit(&[ATTRIBUTES, ("one.bin", &pointer), ("two.txt", &pointer)]);
    let tree = world.folder.path().join("tree");
    let mut git = command("git");
    git.args(["-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true", "clone", "-q", "--branch=main"])
        .arg(front.url("r.git"))
        .arg(&tree)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0")])
        .env("HOME", world.folder.path());
    let output = tokio::task::spawn_blocking(move || git.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.space.source("x", spec(&front.url("r.git"))).await;
    let listing = listing(&world.space.ready("x").await).await;
    for path in ["one.bin", "two.txt"] {
        assert!(std::fs::read(tree.join(path)).unwrap() == listing[path].content, "{path}");
    }
    assert!(listing["one.bin"].content == content.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_of_submodules_are_fetched_and_those_outside_the_folders_are_not() {
    let world = world("lfs-parts").await;
    let front = Front::start(&world.git).await;
    let (inner, outer) = (front.keep(b"inner content"), front.keep(b"outer content"));
    let id = world.git.repository("inner.git").commit(&[ATTRIBUTES, ("in.bin", &inner)]);
    let repository = world.git.repository("r.git");
    let (attributes, file) = (repository.blob(ATTRIBUTES.1.as_bytes()), repository.blob(outer.as_bytes()));
    let modules = repository.blob(b"[submodule \"inner\"]\n\tpath = inner\n\turl = ../inner.git\n");
    commit(
        &repository,
        &[
            ("100644", ".gitattributes", &attributes),
            ("100644", ".gitmodules", &modules),
            ("160000", "inner", &id),
            ("100644", "out.bin", &file),
        ],
    );
    let mut with = spec(&front.url("r.git"));
    with["recurseSubmodules"] = json!(true);
    world.space.source("x", with).await;
    let found = listing(&world.space.ready("x").await).await;
    assert_eq!(found["inner/in.bin"].content, b"inner content");
    assert_eq!(found["out.bin"].content, b"outer content");
    let batches: Vec<_> = front.asked().into_iter().map(|asked| asked.path).filter(|path| path.ends_with("/batch")).collect();
    assert_eq!(batches.len(), 2, "{batches:?}");
    assert!(batches.contains(&"/inner.git/info/lfs/objects/batch".to_owned()), "{batches:?}");

    // Nobody has this one, and nobody asks for it.
    let away = pointer(b"nobody has this");
    world.git.repository("sparse.git").commit(&[ATTRIBUTES, ("away/a.bin", &away), ("dir/b.bin", &outer)]);
    let mut sparse = spec(&front.url("sparse.git"));
    sparse["sparseCheckout"] = json!(["dir"]);
    world.space.source("sparse", sparse).await;
    let object = world.space.ready("sparse").await;
    let found = listing(&object).await;
    assert_eq!(files(&found), ["dir/b.bin"]);
    assert_eq!(found["dir/b.bin"].content, b"outer content");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_have_bounds() {
    let world = World::with(embedded(), "lfs-bound", &["--git-max-blob-size=1024"]).await;
    let front = Front::start(&world.git).await;
    let pointer = front.keep(noise(256).as_bytes());
    world.git.repository("r.git").commit(&[ATTRIBUTES, ("one.bin", &pointer)]);
    world.space.source("x", spec(&front.url("r.git"))).await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    let text = message(&object, "FetchFailed");
    assert!(text.contains("\"one.bin\" exceeds --git-max-blob-size"), "{text}");
    assert!(front.asked().is_empty());
}
