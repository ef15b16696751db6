//! Symbolic links that are kept.

use std::{ffi::OsStr, fs, io, os::unix::ffi::OsStrExt, path::PathBuf, process::Command, sync::atomic::AtomicBool};

use headwater_storage::{Error, Ignore, Limits, Mode, Storage};
use tempfile::TempDir;

use crate::{
    archive::there,
    tree::{Tree, archive, at, nothing, options, store},
};

fn linked(tree: Tree, path: &str, target: &[u8]) -> Tree {
    tree.file(path.as_bytes(), target).mode(path, Mode::Link)
}

/// Name, mode and target of each link.
fn links(bytes: &[u8]) -> Vec<(Vec<u8>, u32, Vec<u8>)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        if entry.header().entry_type() == tar::EntryType::Symlink {
            assert_eq!(entry.header().entry_size().unwrap(), 0);
            let target = entry.link_name_bytes().unwrap().into_owned();
            found.push((entry.path_bytes().into_owned(), entry.header().mode().unwrap(), target));
        }
    }
    found
}

#[test]
fn names_and_targets_of_any_length() {
    let lengths = [1, 99, 100, 101, 511, 512, 513, 4095];
    for name in lengths {
        let name = "n".repeat(name);
        let tree = linked(Tree::default().with("a", "1"), &name, b"a").with("z", "2");
        assert_eq!(links(&archive(&tree, &nothing(), 1)), [(name.into_bytes(), 0o777, b"a".to_vec())]);
    }
    for target in lengths {
        let target = [&b"\xff/"[..], &vec![b't'; target]].concat()[..target].to_vec();
        for name in ["n".to_owned(), "n".repeat(200)] {
            let tree = linked(Tree::default().with("a", "1"), &name, &target).with("z", "2");
            assert_eq!(links(&archive(&tree, &nothing(), 1)), [(name.into_bytes(), 0o777, target.clone())]);
        }
    }
}

#[test]
fn targets_that_cannot_be_are_refused() {
    let dir = TempDir::new().unwrap();
    let storage = Storage::open(options(&dir, 1)).unwrap();
    for target in [vec![], vec![b't'; 4096]] {
        let refused = store(&storage, &linked(Tree::default(), "l", &target), &nothing());
        assert!(matches!(refused, Err(Error::Entry { .. })));
    }
    let refused = store(&storage, &linked(Tree::default(), "l", b"a\0b"), &nothing());
    assert!(matches!(refused, Err(Error::Contents { source, .. }) if source.kind() == io::ErrorKind::InvalidData));
    let below = linked(Tree::default(), "l", b"a").with("l/x", "");
    assert!(matches!(store(&storage, &below, &nothing()), Err(Error::Entry { .. })));
}

#[test]
fn ignore_rules_apply_as_to_files() {
    let tree = linked(linked(linked(Tree::default(), "d/l", b"x"), "keep", b"x"), "pic.png", b"x");
    let ignore = Ignore::new(&[], Some("*.png\nl\n"));
    assert_eq!(links(&archive(&tree, &ignore, 1)), [(b"keep".to_vec(), 0o777, b"x".to_vec())]);
    let folders_only = Ignore::new(&[], Some("keep/\n"));
    assert_eq!(links(&archive(&tree, &folders_only, 1)).len(), 3);
}

#[test]
fn gnu_tar_makes_them() {
    if !there("tar") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (name, target) = ("n".repeat(180), "./".repeat(150) + "file");
    let tree = linked(linked(Tree::default().with("file", "text"), &name, target.as_bytes()), "d/l", b"../file");
    let tree = linked(tree, "odd", b"\xff");
    let file = dir.path().join("a.tar.gz");
    fs::write(&file, archive(&tree, &nothing(), 1)).unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(dir.path()).output().unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
    for link in [name.as_str(), "d/l"] {
        assert_eq!(fs::read(dir.path().join(link)).unwrap(), b"text");
    }
    assert_eq!(fs::read_link(dir.path().join("odd")).unwrap(), PathBuf::from(OsStr::from_bytes(b"\xff")));
}

#[test]
fn what_is_archived_comes_back() {
    let dir = TempDir::new().unwrap();
    let storage = Storage::open(options(&dir, 2)).unwrap();
    let tree = Tree::default().with("a/run", "x").mode("a/run", Mode::Executable).directory("a/empty");
    let tree = linked(tree.file(&[b'n'; 300], b"long"), "a/l", &[b't'; 300]);
    let stored = store(&storage, &tree, &nothing()).unwrap();
    let limits = Limits { bytes: 1 << 20, entries: 20, file: 1000 };
    let cancel = AtomicBool::new(false);
    let unpack = |from: &str| storage.unpack(&at("a.tar.gz"), Some(&stored.digest), from.into(), dir.path(), limits, &cancel).unwrap();
    let rows: Vec<_> = unpack("a").entries().iter().map(|entry| (entry.path.to_string(), entry.mode, entry.size)).collect();
    let row = |path: &str, mode, size| (path.to_owned(), mode, size);
    assert_eq!(rows, [row("empty", Mode::Directory, 0), row("l", Mode::Link, 300), row("run", Mode::Executable, 1)]);

    // What was unpacked makes the same archive.
    let unpacked = unpack("");
    let again = storage.archive(&at("b.tar.gz"), unpacked.entries(), &unpacked, &nothing(), &cancel, None).unwrap();
    let bytes = |file| fs::read(storage.file(&at(file))).unwrap();
    assert_eq!(again.size, stored.size);
    assert!(bytes("a.tar.gz") == bytes("b.tar.gz"));
}
