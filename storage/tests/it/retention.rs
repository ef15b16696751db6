//! What is removed, and what stays.

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use headwater_storage::{Location, Options, Retention, Storage};
use tempfile::TempDir;

use crate::tree::{at, on_disk, options, with_sidecars};

fn open(dir: &TempDir, ttl: u64, records: usize) -> Storage {
    let retention = Retention { ttl: Duration::from_secs(ttl), records };
    Storage::open(Options { retention, ..options(dir, 1) }).unwrap()
}

/// Writes a file that is so many seconds old.
fn put(storage: &Storage, file: &str, age: u64) {
    let path = storage.root().join(at("f").path()).with_file_name(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let modified = SystemTime::now() - Duration::from_secs(age);
    File::create(&path).unwrap().set_modified(modified).unwrap();
}

fn names(paths: &[std::path::PathBuf]) -> Vec<&str> {
    paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect()
}

#[test]
fn the_expired_go() {
    let dir = TempDir::new().unwrap();
    let storage = open(&dir, 60, 10);
    for (file, age) in [("a", 300), ("b", 200), ("c", 10), ("d", 0)] {
        put(&storage, file, age);
    }
    assert_eq!(names(&storage.collect(&at("d")).unwrap()), ["a", "b"]);
    assert_eq!(names(&on_disk(&storage)), ["c", "d"]);
    assert!(storage.collect(&at("d")).unwrap().is_empty());
}

#[test]
fn the_oldest_go_until_the_records_are_left() {
    let dir = TempDir::new().unwrap();
    let storage = open(&dir, 600, 2);
    for (file, age) in [("a", 30), ("b", 50), ("c", 10), ("d", 0)] {
        put(&storage, file, age);
    }
    assert_eq!(names(&storage.collect(&at("d")).unwrap()), ["b", "a"]);
    assert_eq!(names(&on_disk(&storage)), ["c", "d"]);
}

#[test]
fn the_current_one_stays_whatever_its_age() {
    let dir = TempDir::new().unwrap();
    let storage = open(&dir, 60, 1);
    for (file, age) in [("a", 3000), ("b", 50), ("c", 10)] {
        put(&storage, file, age);
    }
    assert_eq!(names(&storage.collect(&at("a")).unwrap()), ["b", "c"]);
    let storage = open(&dir, 0, 0);
    assert!(storage.collect(&at("a")).unwrap().is_empty());
    assert_eq!(names(&on_disk(&storage)), ["a"]);
}

#[test]
fn locks_go_with_their_file_and_are_no_records() {
    let dir = TempDir::new().unwrap();
    let storage = open(&dir, 60, 2);
    for (file, age) in [("a", 100), ("a.lock", 100), ("b", 1), ("b.lock", 100), ("c", 0)] {
        put(&storage, file, age);
    }
    assert_eq!(names(&storage.collect(&at("c")).unwrap()), ["a"]);
    assert_eq!(names(&on_disk(&storage)), ["b", "b.lock", "c"]);
}

#[test]
fn sidecars_and_marks_are_no_artifacts() {
    let dir = TempDir::new().unwrap();
    let storage = open(&dir, 60, 2);
    for (file, age) in [("a", 20), ("b", 10), ("c", 0)] {
        put(&storage, file, age);
        put(&storage, &format!(".{file}.segments"), 900 - age);
    }
    put(&storage, ".gone.segments", 0);
    put(&storage, ".pass", 5000);
    assert_eq!(names(&storage.collect(&at("c")).unwrap()), ["a"]);
    assert_eq!(names(&with_sidecars(&storage)), [".b.segments", ".c.segments", ".pass", "b", "c"]);
    assert!(storage.collect(&at("c")).unwrap().is_empty());

    storage.remove(&at("b")).unwrap();
    assert_eq!(names(&with_sidecars(&storage)), [".c.segments", ".pass", "c"]);
    assert_eq!(names(&storage.remove_object("GitRepository", "ns", "x").unwrap()), ["c"]);
    assert!(with_sidecars(&storage).is_empty());
    assert!(storage.remove_object("GitRepository", "ns", "x").unwrap().is_empty());
}

#[test]
fn nothing_stored_is_nothing_to_collect() {
    let dir = TempDir::new().unwrap();
    assert!(open(&dir, 60, 2).collect(&at("a")).unwrap().is_empty());
}

#[test]
fn removing_takes_one_file_or_all_of_an_object() {
    let dir = TempDir::new().unwrap();
    let storage = open(&dir, 60, 2);
    for file in ["a", "b", "c"] {
        put(&storage, file, 0);
    }
    storage.remove(&at("a")).unwrap();
    storage.remove(&at("a")).unwrap();
    assert!(!storage.exists(&at("a")) && storage.exists(&at("b")));
    let other = Location::new("GitRepository", "ns", "other", "f").unwrap();
    std::fs::create_dir_all(storage.file(&other).parent().unwrap()).unwrap();
    File::create(storage.file(&other)).unwrap();

    let mut removed = storage.remove_object("GitRepository", "ns", "x").unwrap();
    removed.sort();
    assert_eq!(names(&removed), ["b", "c"]);
    assert_eq!(on_disk(&storage), [storage.file(&other)]);
    assert!(storage.remove_object("GitRepository", "ns", "x").unwrap().is_empty());
    assert!(storage.remove_object("GitRepository", "ns", "..").is_err());
}

#[test]
fn a_link_is_no_artifact() {
    let dir = TempDir::new().unwrap();
    let storage = open(&dir, 0, 0);
    put(&storage, "a", 0);
    std::os::unix::fs::symlink(storage.file(&at("a")), storage.file(&at("latest"))).unwrap();
    assert!(storage.exists(&at("a")));
    assert!(!storage.exists(&at("latest")));
    storage.collect(&at("a")).unwrap();
    assert_eq!(names(&on_disk(&storage)), ["a", "latest"]);
}
