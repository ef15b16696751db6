//! The mark of the last good pass.

use std::time::{Duration, SystemTime};

use headwater_storage::{Error, Storage};
use tempfile::TempDir;

use crate::tree::{Tree, at, nothing, options, store, with_sidecars};

#[test]
fn a_mark_says_when_and_goes_with_the_object() {
    let dir = TempDir::new().unwrap();
    let storage = Storage::open(options(&dir, 1)).unwrap();
    assert!(matches!(storage.mark(&at("a")), Err(Error::Write { .. })));
    assert_eq!(storage.marked(&at("a")), None);

    store(&storage, &Tree::default(), &nothing()).unwrap();
    assert_eq!(storage.marked(&at("a")), None);
    let before = SystemTime::now();
    storage.mark(&at("a")).unwrap();
    let first = storage.marked(&at("other.tar.gz")).unwrap();
    assert!(first >= before && first <= SystemTime::now());
    std::thread::sleep(Duration::from_millis(5));
    storage.mark(&at("b")).unwrap();
    assert!(Storage::open(options(&dir, 1)).unwrap().marked(&at("a")).unwrap() > first);

    storage.collect(&at("a.tar.gz")).unwrap();
    assert!(storage.marked(&at("a")).is_some());
    storage.remove_object("GitRepository", "ns", "x").unwrap();
    assert_eq!(storage.marked(&at("a")), None);
    assert!(with_sidecars(&storage).is_empty());
}

#[test]
fn a_directory_is_no_mark() {
    let dir = TempDir::new().unwrap();
    let storage = Storage::open(options(&dir, 1)).unwrap();
    std::fs::create_dir_all(storage.file(&at("a")).with_file_name(".pass")).unwrap();
    assert_eq!(storage.marked(&at("a")), None);
    assert!(storage.mark(&at("a")).is_err());
}
