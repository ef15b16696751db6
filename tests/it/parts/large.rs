//! `spec.lfs`.

use headwater_testing::{
    git::front::{Front, pointer},
    noise,
};
use serde_json::json;

use super::{changed, failed_but_kept, same_revision_other_artifact, world};
use crate::support::{artifact::listing, namespace::condition};

const ATTRIBUTES: (&str, &str) = (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");

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
