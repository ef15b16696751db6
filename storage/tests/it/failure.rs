//! What is left when something goes wrong.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use headwater_storage::{Algorithm, Contents, Digest, Entry, Error, Reader, Storage};
use tempfile::TempDir;

use crate::tree::{Tree, at, nothing, on_disk, options, store};

/// Reads zeros, and calls a function before each file.
struct Zeros<F>(F);

impl<F: Fn(&Entry) -> io::Result<()> + Sync> Contents for Zeros<F> {
    fn reader(&self) -> Reader<'_> {
        Box::new(|entry, out| {
            self.0(entry)?;
            out.resize(usize::try_from(entry.size).unwrap(), 0);
            Ok(())
        })
    }
}

/// Files that are a segment each.
fn files(count: usize) -> Vec<Entry> {
    let tree = (0..count).fold(Tree::default(), |tree, n| tree.with(&format!("f{n:04}"), ""));
    let cut = |mut entry: Entry| {
        entry.id = vec![0; 20];
        entry.size = 100_000;
        entry
    };
    tree.entries().into_iter().map(cut).collect()
}

/// A storage with one artifact in it.
fn one(dir: &TempDir) -> (Storage, Digest) {
    let storage = Storage::open(options(dir, 2)).unwrap();
    let stored = store(&storage, &Tree::default().with("a", "old"), &nothing()).unwrap();
    (storage, stored.digest)
}

fn as_it_was(storage: &Storage, digest: &Digest) {
    assert_eq!(on_disk(storage), [storage.file(&at("a.tar.gz"))]);
    storage.verify(&at("a.tar.gz"), digest).unwrap();
}

#[test]
fn a_reader_that_fails_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (storage, digest) = one(&dir);
    for bad in ["f0000", "f0050", "f0099"] {
        let contents = Zeros(|entry: &Entry| if entry.path == bad { Err(io::Error::other("gone")) } else { Ok(()) });
        let cancel = AtomicBool::new(false);
        let failed = storage.archive(&at("a.tar.gz"), &files(100), &contents, &nothing(), &cancel, None);
        assert!(matches!(failed, Err(Error::Contents { path, .. }) if path == bad));
        as_it_was(&storage, &digest);
    }
}

#[test]
fn contents_of_another_length_are_refused() {
    let dir = TempDir::new().unwrap();
    let (storage, digest) = one(&dir);
    let mut tree = Tree::default().with("a", "text");
    tree.0[0].0.size = 5;
    assert!(matches!(store(&storage, &tree, &nothing()), Err(Error::Contents { .. })));
    as_it_was(&storage, &digest);
}

#[test]
fn a_reader_that_panics_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (storage, digest) = one(&dir);
    let contents = Zeros(|entry: &Entry| {
        assert!(entry.path != "f0030", "on purpose");
        Ok(())
    });
    let cancel = AtomicBool::new(false);
    let archive = || storage.archive(&at("a.tar.gz"), &files(100), &contents, &nothing(), &cancel, None);
    assert!(catch_unwind(AssertUnwindSafe(archive)).is_err());
    as_it_was(&storage, &digest);
}

#[test]
fn cancelling_stops_the_readers_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (storage, digest) = one(&dir);
    let (cancel, read) = (AtomicBool::new(false), AtomicUsize::new(0));
    let contents = Zeros(|_: &Entry| {
        if read.fetch_add(1, Ordering::Relaxed) == 20 {
            cancel.store(true, Ordering::Relaxed);
        }
        Ok(())
    });
    let cancelled = storage.archive(&at("a.tar.gz"), &files(500), &contents, &nothing(), &cancel, None);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert!(read.into_inner() < 30);
    as_it_was(&storage, &digest);
}

#[test]
fn readers_do_not_run_ahead_of_the_writer() {
    let dir = TempDir::new().unwrap();
    let storage = Storage::open(options(&dir, 2)).unwrap();
    let first = AtomicBool::new(true);
    let (read, ahead) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let contents = Zeros(|_: &Entry| {
        if first.swap(false, Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(300));
            ahead.store(read.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        read.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let cancel = AtomicBool::new(false);
    storage.archive(&at("a.tar.gz"), &files(100), &contents, &nothing(), &cancel, None).unwrap();
    // Three segments a thread, each of one file, and the one that the writer has done with.
    assert!(ahead.into_inner() <= 6);
    assert_eq!(read.into_inner(), 100);
}

#[test]
fn what_a_crash_left_is_swept() {
    let dir = TempDir::new().unwrap();
    let (storage, digest) = one(&dir);
    let folder = storage.file(&at("a.tar.gz")).parent().unwrap().to_owned();
    std::fs::write(folder.join(".headwater-tmp-Ab12"), "half").unwrap();
    std::fs::write(storage.root().join(".headwater-tmp-Cd34"), "").unwrap();
    Storage::open(options(&dir, 2)).unwrap();
    as_it_was(&storage, &digest);
}

#[test]
fn roots_that_cannot_be_used_are_named() {
    let dir = TempDir::new().unwrap();
    let mut options = options(&dir, 1);
    std::fs::write(&options.root, "a file").unwrap();
    let error = Storage::open(options.clone()).unwrap_err();
    assert!(matches!(&error, Error::Root { path, .. } if *path == options.root), "{error}");
    options.root = "/proc/self/fd/".into();
    let error = Storage::open(options).unwrap_err();
    assert_eq!(error.to_string(), "storage /proc/self/fd/: cannot be written to");
}

#[test]
fn verify_tells_a_mismatch_from_a_missing_file() {
    let dir = TempDir::new().unwrap();
    let (storage, digest) = one(&dir);
    let bytes = std::fs::read(storage.file(&at("a.tar.gz"))).unwrap();
    for algorithm in [Algorithm::Sha384, Algorithm::Sha512, Algorithm::Blake3] {
        storage.verify(&at("a.tar.gz"), &algorithm.digest(&bytes)).unwrap();
    }
    assert!(matches!(storage.verify(&at("b"), &digest), Err(Error::Read { .. })));
    std::fs::write(storage.file(&at("a.tar.gz")), "changed").unwrap();
    let error = storage.verify(&at("a.tar.gz"), &digest).unwrap_err();
    assert!(matches!(error, Error::Mismatch { expected, .. } if expected == digest));
}

#[test]
fn a_directory_that_cannot_be_created_is_told_from_a_write() {
    let dir = TempDir::new().unwrap();
    let storage = Storage::open(options(&dir, 1)).unwrap();
    std::fs::write(storage.root().join("gitrepository"), "a file").unwrap();
    let failed = store(&storage, &Tree::default(), &nothing());
    assert!(matches!(failed, Err(Error::Directory { .. })));
    std::fs::remove_file(storage.root().join("gitrepository")).unwrap();
    std::fs::create_dir_all(storage.file(&at("a.tar.gz"))).unwrap();
    let failed = store(&storage, &Tree::default(), &nothing());
    assert!(matches!(failed, Err(Error::Write { .. })));
    assert!(!storage.exists(&at("a.tar.gz")));
    assert!(on_disk(&storage).is_empty());
}
