//! Packs and lists that no honest server sends, at a controller: a condition, within bounds of memory, and nothing left behind.

use futures::future::join_all;
use headwater_testing::git::{
    packs::{Kind, ObjectId, Pack, commit, tree},
    script::{Script, packet, packfile, refs},
};
use serde_json::json;

use crate::support::{
    artifact::{files, listing},
    cluster::embedded,
    memory::{peak, reset_peak},
    namespace::{condition, message, revision},
    world::World,
};

/// What a controller may take more than before, whatever a server sends.
const ROOM: u64 = 48 << 20;

/// A pack of a commit with one file, and the commit.
fn simple(content: &[u8]) -> (Pack, ObjectId) {
    let mut pack = Pack::default();
    let blob = pack.object(Kind::Blob, content);
    let root = pack.object(Kind::Tree, &tree(&[("100644", "file", blob)]));
    let head = pack.object(Kind::Commit, &commit(&root));
    (pack, head)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exceeds_a_setting_is_a_condition_and_leaves_nothing() {
    let (pack, head) = simple(&[b'x'; 2_000]);
    let script = Script::with_pack(head, pack.finish()).await;
    let cases = [
        ("refs-size", 10, "exceeds --git-max-refs-size"),
        ("pack-size", 10, "exceeds --git-max-pack-size"),
        ("blob-size", 1_000, "Entry too large to fit in memory"),
        ("entries", 0, "exceeds --git-max-entries"),
        ("tree-size", 1_000, "exceeds --git-max-tree-size"),
    ];
    let cases = cases.map(async |(name, most, why)| {
        let mut world = World::with(embedded(), name, &[&format!("--git-max-{name}={most}")]).await;
        reset_peak(&world.controller);
        let before = peak(&world.controller);
        world.space.source("x", json!({"url": script.url, "ref": {"branch": "main"}})).await;
        let object = world.space.failed("x", "GitOperationFailed").await;
        let memory = peak(&world.controller).saturating_sub(before);
        assert!(memory < ROOM, "{} MiB", memory >> 20);
        for kind in ["Ready", "FetchFailed"] {
            let text = message(&object, kind);
            assert!(text.ends_with(why), "{text}");
            assert!(text.len() < 1_024 && !text.contains(char::is_control), "{text:?}");
        }
        assert_eq!(condition(&object, "FetchFailed").unwrap()["status"], "True");
        assert!(object["status"]["artifact"].is_null(), "{}", object["status"]);
        let stored: Vec<_> = world.controller.stored().into_iter().filter(|path| path.contains("/x/")).collect();
        assert!(stored.is_empty(), "{stored:?}");
        assert!(world.controller.is_running());
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_of_references_are_nobodys_names() {
    let (pack, head) = simple(b"good");
    let (_, evil) = simple(b"evil");
    let names = [
        "refs/heads/../../../../tmp/evil",
        "/etc/passwd",
        "-refs/heads/main",
        "--upload-pack=touch /tmp/evil",
        "refs/heads/-main",
        "refs/heads/main.lock",
        "refs/heads//main",
        "refs/heads/main/",
        "refs/heads/main^{}",
        "refs/heads/main\u{2028}",
        "refs/heads/\u{202e}niam",
        "refs/heads/MAIN",
        "HEAD",
        "..",
    ];
    let mut list: Vec<u8> = names.iter().flat_map(|name| packet(format!("{evil} {name}\n").as_bytes())).collect();
    list.extend(refs(&[("refs/heads/main", &head)]));
    let pack = packfile(&pack.finish());
    let script = Script::start(move || list.clone(), move || pack.clone()).await;
    let world = World::new(embedded(), "names").await;
    world.space.source("x", json!({"url": script.url, "ref": {"branch": "main"}})).await;
    let object = world.space.ready("x").await;
    assert_eq!(revision(&object), format!("main@sha1:{head}"));
    assert_eq!(files(&listing(&object).await), ["file"]);
    let stored: Vec<_> = world.controller.stored().into_iter().filter(|path| !path.contains("/.")).collect();
    assert_eq!(stored, [format!("gitrepository/{}/x/{head}.tar.gz", world.space.name)]);
}
