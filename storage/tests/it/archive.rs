//! The archive's bytes.

use std::{
    ffi::OsStr,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
    process::{Command, Stdio},
};

use bstr::{BStr, ByteSlice};
use headwater_storage::{Algorithm, Error, Mode, Storage};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::tree::{Tree, archive, at, listing, nothing, options, store, unpack};

/// How a segment ends: an empty stored block.
const FLUSH: &[u8] = &[0, 0, 0, 0xff, 0xff];

/// Text that compresses like source, different for each seed.
pub fn text(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(length + 16);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = ["apiVersion: v1\n", "kind: ", "  name: ", "spec:\n"][state.trailing_zeros() as usize % 4];
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(&state.to_string().as_bytes()[..4]);
    }
    out.truncate(length);
    out
}

/// A few megabytes, so that there are many segments.
pub fn large() -> Tree {
    (0..400u64).fold(Tree::default(), |tree, n| {
        let length = usize::try_from(n * 7919 % 40_000).unwrap();
        tree.file(format!("d{}/f{n}", n % 7).as_bytes(), &text(n, length))
    })
}

pub fn trees() -> impl Strategy<Value = Tree> {
    let part = prop_oneof![
        4 => "[a-c.-]{1,3}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(128u8.., 1..150),
        1 => "[é☺]{1,60}".prop_map(String::into_bytes),
    ];
    let path = proptest::collection::vec(part, 1..4).prop_map(|parts| parts.join(&b'/'));
    let size = prop_oneof![8 => 0usize..1500, 1 => 0usize..700_000];
    let file = (path, size, any::<u64>());
    proptest::collection::vec(file, 0..12).prop_map(|files| {
        files.into_iter().fold(Tree::default(), |tree, (path, size, seed)| {
            let mut known = tree.0.iter().map(|(entry, _)| entry.path.as_bstr());
            let odd = path.split_str("/").any(|part| part == b"." || part == b"..");
            if odd || known.any(|known| clash(known, path.as_bstr())) {
                return tree;
            }
            tree.file(&path, &text(seed, size))
        })
    })
}

pub fn clash(a: &BStr, b: &BStr) -> bool {
    let below = |a: &BStr, b: &BStr| a.strip_prefix(b.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"));
    a == b || below(a, b) || below(b, a)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_same_tree_is_the_same_bytes(tree in trees(), order in any::<prop::sample::Index>()) {
        let one = archive(&tree, &nothing(), 1);
        let mut shuffled = tree.clone();
        shuffled.0.reverse();
        let middle = order.index(shuffled.0.len() + 1) % shuffled.0.len().max(1);
        shuffled.0.rotate_left(middle);
        prop_assert!(one == archive(&shuffled, &nothing(), 2));
        prop_assert!(one == archive(&shuffled, &nothing(), 4));
    }

    #[test]
    fn what_goes_in_comes_out(tree in trees()) {
        let unpacked = unpack(&archive(&tree, &nothing(), 2));
        let parts = |path: &BStr| path.split_str("/").map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut expected: Vec<_> = tree.0.iter().map(|(entry, text)| (parts(entry.path.as_bstr()), text)).collect();
        expected.sort();
        let found: Vec<_> = unpacked
            .iter()
            .filter(|(kind, ..)| *kind == '0')
            .map(|(_, _, path, text)| (parts(path.as_bstr()), text))
            .collect();
        prop_assert!(found == expected);
        // Every directory once, before what is in it.
        let mut seen = vec![b".".to_vec()];
        for (kind, _, path, _) in &unpacked[1..] {
            let parent = path.rsplit_once_str("/").map_or(&b"."[..], |(parent, _)| parent);
            prop_assert!(seen.iter().any(|known| known == parent));
            prop_assert!(!seen.iter().any(|known| known == path));
            if *kind == '5' {
                seen.push(path.to_vec());
            }
        }
    }
}

#[test]
fn many_segments_are_the_same_bytes_on_any_number_of_threads() {
    let tree = large();
    let one = archive(&tree, &nothing(), 1);
    for threads in [0, 2, 3, 4, 9] {
        assert!(one == archive(&tree, &nothing(), threads), "{threads} threads");
    }
    let flushes = one.find_iter(FLUSH).count();
    assert!((5..60).contains(&flushes), "{flushes} segments");
}

#[test]
fn a_change_leaves_the_other_segments_as_they_are() {
    let before = archive(&large(), &nothing(), 2);
    let after = archive(&large().file(b"d3/f3", &text(999, 5000)), &nothing(), 2);
    let segments = |bytes: &[u8]| -> Vec<Vec<u8>> { bytes.split_str(&[0, 0, 0, 0xff, 0xff]).map(<[u8]>::to_vec).collect() };
    let (before, after) = (segments(&before), segments(&after));
    let new = after.iter().filter(|segment| !before.contains(segment)).count();
    assert!(new <= 3, "{new} of {} segments are new", after.len());
}

#[test]
fn a_file_longer_than_any_segment() {
    let long = text(1, 9_000_000);
    let tree = Tree::default().file(b"a", b"1").file(b"long", &long).file(b"z", b"2");
    let unpacked = unpack(&archive(&tree, &nothing(), 2));
    assert_eq!(unpacked.len(), 4);
    assert!(unpacked[2].3 == long);
}

#[test]
fn names_of_any_length() {
    for length in [1, 99, 100, 101, 254, 255, 511, 512, 513, 1200] {
        let name = vec![b'n'; length];
        let unpacked = unpack(&archive(&Tree::default().file(&name, b"x"), &nothing(), 1));
        assert_eq!(unpacked[1].2, name, "{length}");
    }
}

#[test]
fn order_is_by_name_and_directories_come_before_their_contents() {
    let tree = Tree::default().with("a.b", "").with("a/x", "").with("a-", "").with("b/é", "").with("B", "");
    let paths: Vec<String> = unpack(&archive(&tree, &nothing(), 1)).into_iter().map(|row| row.2.to_string()).collect();
    assert_eq!(paths, [".", "B", "a", "a/x", "a-", "a.b", "b", "b/é"]);
}

#[test]
fn empty_directories_stay_and_links_go() {
    let tree = Tree::default()
        .directory("module")
        .directory("dir")
        .with("dir/file", "x")
        .with("links/link", "file")
        .mode("links/link", Mode::Symlink);
    let expected = ["5 750 .", "5 750 dir", "0 600 dir/file 2d711642b726", "5 750 links", "5 750 module"];
    assert_eq!(listing(&tree, &nothing()), expected);
}

#[test]
fn entries_that_make_no_tree_are_refused() {
    let dir = TempDir::new().unwrap();
    let storage = Storage::open(options(&dir, 1)).unwrap();
    for path in ["", "/a", "a/", "a//b", "a/../b", "..", ".", "./a", "a\0"] {
        let refused = store(&storage, &Tree::default().with(path, ""), &nothing());
        assert!(matches!(refused, Err(Error::Entry { .. })), "{path:?}");
    }
    let below_a_file = Tree::default().with("a", "").with("a/b", "");
    assert!(matches!(store(&storage, &below_a_file, &nothing()), Err(Error::Entry { .. })));
    let below_a_link = below_a_file.mode("a", Mode::Symlink);
    assert!(matches!(store(&storage, &below_a_link, &nothing()), Err(Error::Entry { .. })));
    let mut twice = Tree::default().with("a", "");
    twice.0.push(twice.0[0].clone());
    assert!(matches!(store(&storage, &twice, &nothing()), Err(Error::Entry { .. })));
    let both = Tree::default().with("a", "").directory("a");
    assert!(matches!(store(&storage, &both, &nothing()), Err(Error::Entry { .. })));
}

/// Changes only with the format or the compressor, which makes new digests of all that is stored.
#[test]
fn the_bytes_are_known() {
    let tree = large().with("run.sh", "#!/bin/sh\n").mode("run.sh", Mode::Executable);
    let digest = Algorithm::Sha256.digest(&archive(&tree, &nothing(), 2));
    assert_eq!(digest.to_string(), "sha256:d8c93ff1222cf35ebd717d11d27b58c24f9d94fbe1bca60708421970ff648d5f");
}

#[test]
fn artifacts_are_for_their_owner_only() {
    let dir = TempDir::new().unwrap();
    let storage = Storage::open(options(&dir, 1)).unwrap();
    store(&storage, &Tree::default(), &nothing()).unwrap();
    let file = storage.file(&at("a.tar.gz"));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
}

/// Whether a program can be run here.
pub fn there(program: &str) -> bool {
    let quiet = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

#[test]
fn gnu_gzip_and_tar_read_it() {
    if !there("gzip") || !there("tar") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let tree = large().file(&[b'l'; 180], b"long").file(b"not\xffutf8", b"bytes");
    let file = dir.path().join("a.tar.gz");
    std::fs::write(&file, archive(&tree, &nothing(), 2)).unwrap();
    let gzip = Command::new("gzip").arg("-t").arg(&file).output().unwrap();
    assert!(gzip.status.success() && gzip.stderr.is_empty(), "{gzip:?}");

    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(&out).output().unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
    for (entry, text) in &tree.0 {
        let path = out.join(OsStr::from_bytes(&entry.path));
        assert!(std::fs::read(path).unwrap() == *text, "{}", entry.path);
    }
}
