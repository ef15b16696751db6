//! Answers that never end, or that are none.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::{StreamExt as _, future::join_all, stream};
use headwater_testing::git::{
    packs::ObjectId,
    script::{Script, endless, packet, packfile, refs},
};
use serde_json::json;

use super::{ROOM, end_within, failure, simple};
use crate::support::{
    cluster::embedded,
    namespace::{message, revision, status_is},
    world::World,
};

/// A million references, and `main` behind them.
fn million(head: ObjectId) -> Body {
    let part: Vec<u8> = (0..1_000).flat_map(|line| packet(format!("{head} refs/t/{line:07}\n").as_bytes())).collect();
    let parts = stream::repeat(Bytes::from(part)).take(1_000);
    let parts = parts.chain(stream::once(async move { Bytes::from(refs(&[("refs/heads/main", &head)])) }));
    Body::from_stream(parts.map(Ok::<_, std::io::Error>))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_references_take_no_memory() {
    let (pack, head) = simple(b"x");
    let pack = packfile(&pack.finish());
    let script = Script::start(move || million(head), move || pack.clone()).await;
    let end = end_within("million", &script, &[], "20s").await;
    assert!(end.memory < ROOM, "{} MiB: {}", end.memory >> 20, end.told());
    assert_eq!(revision(&end.object), format!("main@sha1:{head}"), "{}", end.object["status"]);

    let end = failure("million-bound", &script, &["--git-max-refs-size=1048576"]).await;
    assert!(end.told().ends_with("the list of references exceeds --git-max-refs-size"), "{}", end.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn words_without_end_instead_of_a_pack_end_with_the_timeout_and_take_no_memory() {
    let (_, head) = simple(b"x");
    let start = packet(b"packfile\n");
    let word = |content: Vec<u8>| packet(&content).repeat(16);
    let cases = [
        ("progress", start.clone(), word([b"\x02", "x".repeat(4_000).as_bytes()].concat())),
        ("progress-lines", start.clone(), word(b"\x02counting\r".to_vec())),
        ("nothing", start, b"0005\x01".repeat(1_000)),
    ];
    let cases = cases.map(async |(test, start, again)| {
        let list = refs(&[("refs/heads/main", &head)]);
        let script = Script::start(move || list.clone(), move || endless(start.clone(), again.clone())).await;
        let end = end_within(test, &script, &[], "1s").await;
        assert!(status_is(&end.object, "FetchFailed", "True"), "{}", end.object["status"]);
        assert!(end.took < Duration::from_secs(8) && end.memory < ROOM, "{:?}, {} MiB: {}", end.took, end.memory >> 20, end.told());
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_without_end_before_a_pack_take_no_memory() {
    let (_, head) = simple(b"x");
    let line = |start: &str| packet(format!("{start} {head}\n").as_bytes()).repeat(1_000);
    let cases = [
        ("shallow", packet(b"shallow-info\n"), line("shallow")),
        ("unshallow", packet(b"shallow-info\n"), line("unshallow")),
        ("acks", packet(b"acknowledgments\n"), line("ACK")),
        ("wanted", packet(b"wanted-refs\n"), packet(format!("{head} refs/heads/x\n").as_bytes()).repeat(1_000)),
        ("uris", packet(b"packfile-uris\n"), packet(format!("{head} https://example.com/\n").as_bytes()).repeat(1_000)),
    ];
    let cases = cases.map(async |(test, start, again)| {
        let list = refs(&[("refs/heads/main", &head)]);
        let script = Script::start(move || list.clone(), move || endless(start.clone(), again.clone())).await;
        let end = end_within(test, &script, &[], "6s").await;
        assert!(end.memory < ROOM, "{test}: {} MiB: {}", end.memory >> 20, end.told());
        assert!(status_is(&end.object, "FetchFailed", "True") && !end.told().contains("deadline"), "{test}: nothing bounds this but time");
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_none_are_refused() {
    let (pack, head) = simple(b"x");
    let whole = pack.finish();
    let after = |start: &[u8], rest: &[u8]| [start, rest].concat();
    let (nak, header) = (packet(b"NAK\n"), packet(b"packfile\n"));
    let answers = [
        ("nothing", Vec::new()),
        ("flush", b"0000".to_vec()),
        ("delimiter", b"0001".to_vec()),
        ("end", b"0002".to_vec()),
        ("three", b"0003".to_vec()),
        ("empty", b"0004".to_vec()),
        ("no-number", b"zzzz".to_vec()),
        ("cut", b"00".to_vec()),
        ("cut-line", b"0020NAK".to_vec()),
        ("nak", nak.clone()),
        ("nak-flush", after(&nak, b"0000")),
        ("nak-delimiter", after(&nak, b"0001")),
        ("nak-band", after(&nak, b"0006\x09x")),
        ("nak-bare", after(&nak, &whole)),
        ("header", header.clone()),
        ("header-flush", after(&header, b"0000")),
        ("header-delimiter", after(&header, b"0001")),
        ("header-empty", after(&header, b"0004")),
        ("header-band", after(&header, b"0006\x09x")),
        ("header-error", after(&header, &packet(b"\x03no more of this\n"))),
        ("error", packet(b"ERR no \x1b[31mmore of this\n")),
        ("header-bare", after(&header, &whole)),
    ];
    let mut world = World::with(embedded(), "answers", &["--concurrent=16"]).await;
    let mut scripts = Vec::new();
    for (name, answer) in &answers {
        for old in [true, false] {
            let (list, answer) = (refs(&[("refs/heads/main", &head)]), answer.clone());
            let script = if old {
                Script::old(head, move || answer.clone()).await
            } else {
                Script::start(move || list.clone(), move || answer.clone()).await
            };
            let name = format!("{name}-{}", if old { "old" } else { "new" });
            world.space.source(&name, json!({"url": script.url, "timeout": "3s", "ref": {"branch": "main"}})).await;
            scripts.push((name, script));
        }
    }
    let mut late = Vec::new();
    for (name, script) in &scripts {
        let object = world.space.failed(name, "GitOperationFailed").await;
        let (told, fetches) = (message(&object, "Ready"), script.fetches());
        // One greeting may be out of date, commits may have to be looked for, and it is tried again after a while.
        if told.contains("cancelled") || told.contains("deadline") || fetches > 100 {
            late.push(format!("{name}: {fetches} fetches: {told}"));
        }
        assert!(told.len() < 1_024 && !told.contains(char::is_control), "{name}: {told:?}");
    }
    assert!(late.is_empty(), "{late:#?}");
    assert!(world.controller.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_without_end_of_an_old_server_take_no_memory() {
    let (_, head) = simple(b"x");
    let cases = [
        ("old-shallow", packet(format!("shallow {head}\n").as_bytes()).repeat(1_000)),
        ("old-acks", packet(format!("ACK {head} common\n").as_bytes()).repeat(1_000)),
        ("old-naks", packet(b"NAK\n").repeat(1_000)),
        ("old-flushes", b"0000".repeat(1_000)),
        ("old-progress", packet(b"\x02counting\r").repeat(1_000)),
    ];
    let cases = cases.map(async |(test, again)| {
        let script = Script::old(head, move || endless(Vec::new(), again.clone())).await;
        let end = end_within(test, &script, &[], "2s").await;
        assert!(status_is(&end.object, "FetchFailed", "True"), "{}", end.object["status"]);
        assert!(end.took < Duration::from_secs(8) && end.memory < ROOM, "{test}: {} MiB: {}", end.memory >> 20, end.told());
    });
    join_all(cases).await;
}
