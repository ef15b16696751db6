//! Files that are stored as they come, links to them, and notes of them.

use std::{fs, sync::atomic::AtomicBool};

use headwater_storage::{Error, Location};

use crate::tree::options;
use headwater_storage::Storage;

fn at(file: &str) -> Location {
    Location::new("helmrepository", "ns", "x", file).unwrap()
}

fn going() -> AtomicBool {
    AtomicBool::new(false)
}

#[test]
fn a_file_is_stored_with_its_digest_and_size_and_a_failure_leaves_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(options(&folder, 1)).unwrap();
    let stored = storage.store(&at("index-1.yaml"), &going(), |out| out.write_all(b"one").map_err(|_| Error::Cancelled)).unwrap();
    assert_eq!(stored.size, 3);
    storage.verify(&at("index-1.yaml"), &stored.digest).unwrap();
    let failed = storage.store(&at("index-1.yaml"), &going(), |out| {
        out.write_all(b"half").unwrap();
        Err(Error::Cancelled)
    });
    assert!(matches!(failed, Err(Error::Cancelled)));
    let late = storage.store(&at("index-1.yaml"), &AtomicBool::new(true), |out| out.write_all(b"late").map_err(|_| Error::Cancelled));
    assert!(matches!(late, Err(Error::Cancelled)));
    assert_eq!(fs::read(storage.file(&at("index-1.yaml"))).unwrap(), b"one");
    assert_eq!(fs::read_dir(storage.root().join("helmrepository/ns/x")).unwrap().count(), 1);
}

#[test]
fn a_link_follows_the_newest_and_is_no_artifact() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(options(&folder, 1)).unwrap();
    for file in ["index-1.yaml", "index-2.yaml"] {
        storage.store(&at(file), &going(), |out| out.write_all(file.as_bytes()).map_err(|_| Error::Cancelled)).unwrap();
        for _ in 0..2 {
            storage.link(&at(file), "index.yaml").unwrap();
        }
        assert_eq!(fs::read(storage.file(&at("index.yaml"))).unwrap(), file.as_bytes());
    }
    assert!(!storage.exists(&at("index.yaml")));
    storage.collect(&at("index-2.yaml")).unwrap();
    assert!(fs::symlink_metadata(storage.file(&at("index.yaml"))).unwrap().is_symlink());
    for name in ["..", "a/b", ""] {
        assert!(matches!(storage.link(&at("index-2.yaml"), name), Err(Error::Location { .. })), "{name:?}");
    }
    assert_eq!(storage.remove_object("HelmRepository", "ns", "x").unwrap().len(), 2);
    assert!(!storage.root().join("helmrepository/ns/x").exists());
}

#[test]
fn a_note_goes_with_its_artifact() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(options(&folder, 1)).unwrap();
    let put = |text: &'static str| {
        storage.store(&at("i.yaml"), &going(), |out| out.write_all(text.as_bytes()).map_err(|_| Error::Cancelled)).unwrap()
    };
    put("one");
    assert_eq!(storage.noted(&at("i.yaml"), 10), None);
    storage.note(&at("i.yaml"), b"etag").unwrap();
    assert_eq!(storage.noted(&at("i.yaml"), 4).as_deref(), Some(&b"etag"[..]));
    assert_eq!(storage.noted(&at("i.yaml"), 3), None);
    put("two");
    assert_eq!(storage.noted(&at("i.yaml"), 10), None);
    storage.note(&at("i.yaml"), b"etag").unwrap();
    storage.remove(&at("i.yaml")).unwrap();
    assert_eq!(storage.noted(&at("i.yaml"), 10), None);
    assert_eq!(fs::read_dir(storage.root().join("helmrepository/ns/x")).unwrap().count(), 0);
}
