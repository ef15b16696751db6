//! Answers that never end, or that are none.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::{StreamExt as _, future::join_all, stream};
use headwater_git::Error;
use headwater_testing::git::{
    packs::ObjectId,
    script::{Script, endless, packet, packfile, refs},
};

use super::{AMPLE, ROOM, assert_line, end, failure, simple};
use crate::{
    alone::fetch,
    client::{Client, main},
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
    let end = end(&script, &[]).await;
    assert_eq!(end.revision, Some(format!("main@sha1:{head}")), "{end:?}");

    let end = failure(&script, &[("git-max-refs-size", 1_048_576)]).await;
    assert!(end.error.ends_with("the list of references exceeds --git-max-refs-size"), "{}", end.error);
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
        let end = fetch(&script.url, Duration::from_secs(1), &[]).await;
        assert!(!end.error.is_empty(), "{test}: {end:?}");
        assert!(end.took < Duration::from_secs(8) && end.memory < ROOM, "{:?}, {} MiB: {}", end.took, end.memory >> 20, end.error);
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
        let end = fetch(&script.url, AMPLE, &[]).await;
        assert!(end.memory < ROOM, "{test}: {} MiB: {}", end.memory >> 20, end.error);
        assert!(!end.error.is_empty() && !end.is_late, "{test}: nothing bounds this but time: {end:?}");
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
    let cases = answers.iter().flat_map(|(name, answer)| [(name, answer, true), (name, answer, false)]);
    let cases = cases.map(async |(name, answer, old)| {
        let (list, answer) = (refs(&[("refs/heads/main", &head)]), answer.clone());
        let script = if old {
            Script::old(head, move || answer.clone()).await
        } else {
            Script::start(move || list.clone(), move || answer.clone()).await
        };
        let error = Client::new(&script.url).get(&main()).await.unwrap_err();
        let late = matches!(error, Error::Cancelled { .. } | Error::Deadline { .. } | Error::Timeout { .. });
        // One greeting may be out of date, and commits may have to be looked for.
        assert!(!late && script.fetches() <= 10, "{name}, old: {old}: {} fetches: {error}", script.fetches());
        assert_line(&error.to_string());
    });
    join_all(cases).await;
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
        let end = fetch(&script.url, Duration::from_secs(2), &[]).await;
        assert!(!end.error.is_empty(), "{test}: {end:?}");
        assert!(end.took < Duration::from_secs(8) && end.memory < ROOM, "{test}: {} MiB: {}", end.memory >> 20, end.error);
    });
    join_all(cases).await;
}
