//! Packs, trees and lists that no honest server sends: each ends in an error, within bounds of memory and time.

mod answers;

use std::time::Duration;

use futures::future::join_all;
use headwater_git::Reference;
use headwater_testing::{
    git::{
        packs::{Kind, ObjectId, Pack, Step, commit, deflated_zeros, delta, id, tree},
        script::{Script, packet, packfile, refs},
    },
    noise,
};

use crate::{
    alone::{End, fetch},
    client::Client,
};

/// The memory that a process may take more than before, whatever a server sends.
const ROOM: u64 = 48 << 20;

/// More than enough time for any fetch that is not to end with it.
const AMPLE: Duration = Duration::from_secs(30);

/// Lets a process fetch `main` from a server, which has to end by itself and with little memory.
async fn end(script: &Script, settings: &[(&str, u64)]) -> End {
    let end = fetch(&script.url, AMPLE, settings).await;
    assert!(!end.is_late, "{end:?}");
    assert!(end.memory < ROOM, "{} MiB: {}", end.memory >> 20, end.error);
    end
}

/// Like [`end`], where it has to fail.
async fn failure(script: &Script, settings: &[(&str, u64)]) -> End {
    let end = end(script, settings).await;
    assert!(end.revision.is_none() && !end.error.is_empty(), "{end:?}");
    assert_line(&end.error);
    end
}

/// Panics unless a text fits a condition.
fn assert_line(text: &str) {
    assert!(text.len() < 1_024 && !text.contains(char::is_control), "{text:?}");
}

/// A pack of a commit with one file, and the commit.
fn simple(content: &[u8]) -> (Pack, ObjectId) {
    let mut pack = Pack::default();
    let blob = pack.object(Kind::Blob, content);
    let root = pack.object(Kind::Tree, &tree(&[("100644", "file", blob)]));
    let head = pack.object(Kind::Commit, &commit(&root));
    (pack, head)
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_made_by_hand_are_understood_at_all() {
    let (pack, head) = simple(b"content");
    let script = Script::with_pack(head, pack.finish()).await;
    let end = end(&script, &[]).await;
    assert_eq!(end.revision, Some(format!("main@sha1:{head}")), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_objects_than_were_asked_for_are_no_artifact() {
    let (pack, _) = simple(b"something else");
    let (_, wanted) = simple(b"what was asked for");
    let script = Script::with_pack(wanted, pack.finish()).await;
    let end = failure(&script, &[]).await;
    assert!(end.error.contains("object not found"), "{}", end.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_lacks_what_its_commit_leads_to_is_no_artifact() {
    let blob = id(Kind::Blob, b"missing");
    let root = tree(&[("100644", "file", blob)]);
    let mut without_tree = Pack::default();
    let head = without_tree.object(Kind::Commit, &commit(&id(Kind::Tree, &root)));
    // The right name, the wrong content.
    without_tree.object(Kind::Tree, &tree(&[("100644", "other", blob)]));
    let mut without_blob = Pack::default();
    without_blob.object(Kind::Commit, &commit(&id(Kind::Tree, &root)));
    without_blob.object(Kind::Tree, &root);
    without_blob.object(Kind::Blob, b"not missing");
    let mut confused = Pack::default();
    confused.object(Kind::Commit, &commit(&id(Kind::Tree, &root)));
    confused.object(Kind::Tree, &root);
    confused.object(Kind::Tree, b"missing");
    for pack in [without_tree, without_blob, confused] {
        let script = Script::with_pack(head, pack.finish()).await;
        failure(&script, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_was_changed_or_cut_is_refused() {
    let (pack, head) = simple(noise(2_000).as_bytes());
    let whole = pack.finish();
    let mut wrong_sum = whole.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    let mut flipped = whole.clone();
    flipped[300] ^= 0x10;
    let cases = [
        wrong_sum,
        flipped,
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - 7].to_vec(),
        whole[..9].to_vec(),
        Vec::new(),
        pack.announcing(4),
        pack.announcing(1),
    ];
    let cases = cases.map(async |pack| {
        let script = Script::with_pack(head, pack).await;
        failure(&script, &[]).await;
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_objects_than_a_pack_can_hold_take_no_memory() {
    let (pack, head) = simple(b"x");
    for count in [3_900_000, u32::MAX] {
        let script = Script::with_pack(head, pack.announcing(count)).await;
        failure(&script, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_huge_once_inflated_takes_no_memory() {
    const HUGE: u64 = 256 << 20;
    let bomb = deflated_zeros(HUGE);
    assert!(bomb.len() < 1 << 20);
    let root = tree(&[("100644", "file", id(Kind::Blob, b"x"))]);
    let cases = [HUGE, 10, 1 << 50].map(async |length| {
        let mut pack = Pack::default();
        pack.entry(3, length, &[], &bomb);
        let root = pack.object(Kind::Tree, &root);
        let head = pack.object(Kind::Commit, &commit(&root));
        let script = Script::with_pack(head, pack.finish()).await;
        failure(&script, &[("git-max-blob-size", 1_048_576)]).await;
    });
    join_all(cases).await;
}

/// A blob that doubles sixteenfold with each delta, and the number of bytes in the end.
fn by_deltas(pack: &mut Pack, rounds: u32) -> u64 {
    let (mut before, mut length) = (pack.offset(), 1_u64 << 16);
    pack.object(Kind::Blob, &vec![0; 1 << 16]);
    for _ in 0..rounds {
        let at = pack.offset();
        let count = u32::try_from(length.min((1 << 24) - 1)).unwrap();
        let steps = [Step::Copy(0, count); 16];
        let result = u64::from(count) * 16;
        pack.offset_delta(at - before, &delta(length, result, &steps));
        (before, length) = (at, result);
    }
    length
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas_that_make_something_huge_of_nothing_take_no_memory() {
    let mut pack = Pack::default();
    let length = by_deltas(&mut pack, 4);
    assert_eq!(length, 16 * ((1 << 24) - 1));
    let blob = id(Kind::Blob, &vec![0; usize::try_from(length).unwrap()]);
    let root = pack.object(Kind::Tree, &tree(&[("100644", "file", blob)]));
    let head = pack.object(Kind::Commit, &commit(&root));
    let script = Script::with_pack(head, pack.finish()).await;
    failure(&script, &[("git-max-blob-size", 1_048_576)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deltas_to_something_large_take_no_memory_together() {
    let mut pack = Pack::default();
    let root = pack.object(Kind::Tree, &tree(&[]));
    let head = pack.object(Kind::Commit, &commit(&root));
    // Each of them is allowed; three gigabytes all together.
    let base = pack.offset();
    pack.object(Kind::Blob, &vec![0; 1 << 16]);
    for number in 0..200_u8 {
        let mut steps = vec![Step::Insert(std::slice::from_ref(&number))];
        steps.extend([Step::Copy(0, 1 << 16); 255]);
        let at = pack.offset();
        pack.offset_delta(at - base, &delta(1 << 16, 1 + 255 * (1 << 16), &steps));
    }
    let script = Script::with_pack(head, pack.finish()).await;
    end(&script, &[("git-max-blob-size", 16_777_216)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_five_thousand_deltas_is_followed_or_refused() {
    let mut pack = Pack::default();
    let mut content = vec![b'a'; 500];
    let mut before = pack.offset();
    pack.object(Kind::Blob, &content);
    for number in 0..5_000_u32 {
        let at = pack.offset();
        let last = number.to_be_bytes();
        let steps = [Step::Insert(&last), Step::Copy(4, 496)];
        pack.offset_delta(at - before, &delta(500, 500, &steps));
        content[..4].copy_from_slice(&last);
        before = at;
    }
    let root = pack.object(Kind::Tree, &tree(&[("100644", "file", id(Kind::Blob, &content))]));
    let head = pack.object(Kind::Commit, &commit(&root));
    let script = Script::with_pack(head, pack.finish()).await;
    let end = end(&script, &[]).await;
    assert_eq!(end.revision, Some(format!("main@sha1:{head}")), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas_of_themselves_of_nothing_and_of_what_is_outside_are_refused() {
    let (_, head) = simple(b"x");
    let change = delta(1, 1, &[Step::Insert(b"y")]);
    let mut loops = Pack::default();
    // Whatever this one turns out to be, it is wanted by its own name, and by that of the other.
    loops.named_delta(&head, &change);
    let mut pair = Pack::default();
    pair.named_delta(&id(Kind::Blob, b"y"), &change);
    pair.named_delta(&id(Kind::Blob, b"z"), &delta(1, 1, &[Step::Insert(b"y")]));
    let mut itself = Pack::default();
    itself.offset_delta(0, &change);
    let mut outside = Pack::default();
    outside.offset_delta(1 << 40, &change);
    let mut header = Pack::default();
    header.offset_delta(12, &change);
    let (mut beyond, _) = simple(b"x");
    let at = beyond.offset();
    beyond.offset_delta(at - 12, &delta(1, 1 << 20, &[Step::Copy(1 << 30, 1 << 20)]));
    let (mut short, _) = simple(b"x");
    let at = short.offset();
    short.offset_delta(at - 12, &delta(1, 1 << 40, &[Step::Insert(b"y")]));
    let (mut lying, _) = simple(b"x");
    let at = lying.offset();
    lying.offset_delta(at - 12, &delta(1 << 40, 1, &[Step::Insert(b"y")]));
    let (mut unknown, _) = simple(b"x");
    unknown.entry(5, 10, &[], b"");
    let cases = [loops, pair, itself, outside, header, beyond, short, lying, unknown];
    let cases = cases.map(async |pack| {
        let script = Script::with_pack(head, pack.finish()).await;
        failure(&script, &[]).await;
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_of_absurd_depth_is_refused() {
    let mut pack = Pack::default();
    let blob = pack.object(Kind::Blob, b"deep");
    let mut inner = pack.object(Kind::Tree, &tree(&[("100644", "f", blob)]));
    for _ in 0..1_000 {
        inner = pack.object(Kind::Tree, &tree(&[("40000", "d", inner)]));
    }
    let head = pack.object(Kind::Commit, &commit(&inner));
    let script = Script::with_pack(head, pack.finish()).await;
    let end = failure(&script, &[]).await;
    assert!(end.error.contains("more than 512 directories deep"), "{}", end.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_of_absurd_size_are_refused_by_the_setting() {
    // Ten thousand million files in ten small trees.
    let mut pack = Pack::default();
    let blob = pack.object(Kind::Blob, b"small");
    let names: Vec<_> = (0..10).map(|number| format!("n{number}")).collect();
    let mut inner = blob;
    for level in 0..10 {
        let mode = if level == 0 { "100644" } else { "40000" };
        let entries: Vec<_> = names.iter().map(|name| (mode, name.as_str(), inner)).collect();
        inner = pack.object(Kind::Tree, &tree(&entries));
    }
    let head = pack.object(Kind::Commit, &commit(&inner));
    let script = Script::with_pack(head, pack.finish()).await;
    let end = failure(&script, &[("git-max-entries", 20_000)]).await;
    assert!(end.error.ends_with("exceeds --git-max-entries"), "{}", end.error);

    let mut pack = Pack::default();
    let blob = pack.object(Kind::Blob, b"small");
    let names: Vec<_> = (0..200_000).map(|number| format!("file-{number:08}")).collect();
    let entries: Vec<_> = names.iter().map(|name| ("100644", name.as_str(), blob)).collect();
    let root = pack.object(Kind::Tree, &tree(&entries));
    let head = pack.object(Kind::Commit, &commit(&root));
    let script = Script::with_pack(head, pack.finish()).await;
    let end = failure(&script, &[("git-max-entries", 20_000)]).await;
    assert!(end.error.ends_with("exceeds --git-max-entries"), "{}", end.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_named_often_counts_each_time() {
    let mut pack = Pack::default();
    let blob = pack.object(Kind::Blob, &vec![0; 1 << 20]);
    let names: Vec<_> = (0..1_000).map(|number| format!("f{number:04}")).collect();
    let entries: Vec<_> = names.iter().map(|name| ("100644", name.as_str(), blob)).collect();
    let root = pack.object(Kind::Tree, &tree(&entries));
    let head = pack.object(Kind::Commit, &commit(&root));
    let script = Script::with_pack(head, pack.finish()).await;
    let end = failure(&script, &[("git-max-tree-size", 104_857_600)]).await;
    assert!(end.error.ends_with("exceeds --git-max-tree-size"), "{}", end.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_control_characters_are_refused_and_told_on_one_line() {
    let (_, head) = simple(b"good");
    let names = ["refs/heads/x\nrefs/heads/main", "refs/heads/\u{1b}[31m", "refs/heads/main\0", "refs/heads/main\r", "refs/heads/\u{7f}"];
    let cases = names.iter().map(async |name| {
        let mut list = packet(format!("{head} {name}\n").as_bytes());
        list.extend(refs(&[("refs/heads/main", &head)]));
        let script = Script::start(move || list.clone(), || b"0000".to_vec()).await;
        let end = failure(&script, &[]).await;
        assert!(end.error.contains("a reference with control characters"), "{}", end.error);
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_a_hostile_name_is_no_version() {
    let (pack, head) = simple(b"good");
    let (_, evil) = simple(b"evil");
    let found = [
        ("refs/tags/../../v9.9.9", &evil),
        ("refs/tags/v9.9.9/../../../evil", &evil),
        ("refs/tags/-v9.9.9", &evil),
        ("refs/tags/v9.9.9^{}", &evil),
        ("refs/heads/v9.9.9", &evil),
        ("v9.9.9", &evil),
        ("refs/tags/v1.0.0", &head),
    ];
    let (list, pack) = (refs(&found), packfile(&pack.finish()));
    let script = Script::start(move || list.clone(), move || pack.clone()).await;
    let reference = Reference::Semver { range: ">=1".into(), filter: None };
    let fetched = Client::new(&script.url).get(&reference).await.unwrap();
    assert_eq!(fetched.revision, format!("v1.0.0@sha1:{head}"));
}
