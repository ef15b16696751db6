//! Trees in memory, and storages that vanish with the test.

use std::{io, path::PathBuf, sync::atomic::AtomicBool, time::Duration};

use bstr::{BString, ByteSlice};
use headwater_storage::{Algorithm, Contents, Entry, Error, Ignore, Location, Mode, Options, Reader, Retention, Storage, Stored};
use tempfile::TempDir;

/// Entries, and the contents of those that are files.
#[derive(Clone, Debug, Default)]
pub struct Tree(pub Vec<(Entry, Vec<u8>)>);

impl Tree {
    pub fn with(self, path: &str, text: &str) -> Self {
        self.file(path.as_bytes(), text.as_bytes())
    }

    pub fn file(mut self, path: &[u8], text: &[u8]) -> Self {
        self.0.retain(|(entry, _)| entry.path != path);
        let id = Algorithm::Sha256.digest(text).hex().as_bytes()[..40].to_vec();
        let entry = Entry { path: path.into(), mode: Mode::File, id, size: text.len() as u64 };
        self.0.push((entry, text.to_vec()));
        self
    }

    pub fn directory(mut self, path: &str) -> Self {
        let entry = Entry { path: path.into(), mode: Mode::Directory, id: Vec::new(), size: 0 };
        self.0.push((entry, Vec::new()));
        self
    }

    pub fn mode(mut self, path: &str, mode: Mode) -> Self {
        for (entry, _) in &mut self.0 {
            if entry.path == path {
                entry.mode = mode;
            }
        }
        self
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.0.iter().map(|(entry, _)| entry.clone()).collect()
    }
}

impl Contents for Tree {
    fn reader(&self) -> Reader<'_> {
        Box::new(|entry, out| {
            assert!(out.is_empty());
            let found = self.0.iter().find(|(known, _)| known.path == entry.path);
            let (_, text) = found.ok_or(io::ErrorKind::NotFound)?;
            out.extend_from_slice(text);
            Ok(())
        })
    }
}

/// The rules of the tree's own `.sourceignore` files and of an object.
pub fn ignore(tree: &Tree, spec: Option<&str>) -> Ignore {
    let files: Vec<(BString, Vec<u8>)> = tree
        .0
        .iter()
        .filter_map(|(entry, text)| match entry.path.rsplit_once_str("/") {
            Some((dir, name)) => (name == b".sourceignore").then(|| (dir.into(), text.clone())),
            None => (entry.path == ".sourceignore").then(|| (BString::default(), text.clone())),
        })
        .collect();
    Ignore::new(&files, spec)
}

/// Rules that leave nothing out.
pub fn nothing() -> Ignore {
    Ignore::new(&[], Some("!*"))
}

pub fn options(dir: &TempDir, threads: usize) -> Options {
    Options {
        root: dir.path().join("root"),
        algorithm: Algorithm::Sha256,
        retention: Retention { ttl: Duration::from_mins(1), records: 2 },
        threads,
    }
}

pub fn at(file: &str) -> Location {
    Location::new("GitRepository", "ns", "x", file).unwrap()
}

pub fn store(storage: &Storage, tree: &Tree, ignore: &Ignore) -> Result<Stored, Error> {
    storage.archive(&at("a.tar.gz"), &tree.entries(), tree, ignore, &AtomicBool::new(false), None)
}

/// The bytes of the tree's archive.
pub fn archive(tree: &Tree, ignore: &Ignore, threads: usize) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let storage = Storage::open(options(&dir, threads)).unwrap();
    let stored = store(&storage, tree, ignore).unwrap();
    storage.verify(&at("a.tar.gz"), &stored.digest).unwrap();
    let bytes = std::fs::read(storage.file(&at("a.tar.gz"))).unwrap();
    assert_eq!(bytes.len() as u64, stored.size);
    bytes
}

/// Type, mode, path and contents of every entry.
pub fn unpack(bytes: &[u8]) -> Vec<(char, u32, BString, Vec<u8>)> {
    let mut tar = Vec::new();
    let mut gzip = flate2::bufread::GzDecoder::new(bytes);
    io::Read::read_to_end(&mut gzip, &mut tar).unwrap();
    assert!(gzip.into_inner().is_empty(), "bytes after the end of the gzip member");
    let mut entries = Vec::new();
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
        assert_eq!((header.username(), header.groupname()), (Ok(Some("")), Ok(Some(""))));
        let kind = char::from(header.entry_type().as_byte());
        let mode = header.mode().unwrap();
        let path = entry.path_bytes().into_owned().into();
        let mut text = Vec::new();
        io::Read::read_to_end(&mut entry, &mut text).unwrap();
        entries.push((kind, mode, path, text));
    }
    entries
}

pub fn listing(tree: &Tree, ignore: &Ignore) -> Vec<String> {
    let row = |(kind, mode, path, text): (char, u32, BString, Vec<u8>)| {
        let digest = Algorithm::Sha256.digest(&text);
        let digest = if kind == '0' { &digest.hex()[..12] } else { "" };
        format!("{kind} {mode:o} {path} {digest}").trim_end().to_owned()
    };
    unpack(&archive(tree, ignore, 2)).into_iter().map(row).collect()
}

/// Every file below the root of a storage, except the sidecars of artifacts.
pub fn on_disk(storage: &Storage) -> Vec<PathBuf> {
    let mut found = with_sidecars(storage);
    found.retain(|path| path.extension().is_none_or(|end| end != "segments"));
    found
}

/// Every file below the root of a storage.
pub fn with_sidecars(storage: &Storage) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![storage.root().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}
