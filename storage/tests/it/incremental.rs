//! Archives that copy what did not change.

use std::{
    collections::HashSet,
    fs, io,
    path::PathBuf,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bstr::{BString, ByteSlice};
use headwater_storage::{Algorithm, Contents, Error, Location, Mode, Reader, Storage, Stored};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::{
    archive::{clash, large, text, trees},
    tree::{Tree, archive, at, nothing, options, with_sidecars},
};

/// A tree that knows which of its files were read.
struct Watched<'a>(&'a Tree, Mutex<HashSet<BString>>);

impl Contents for Watched<'_> {
    fn reader(&self) -> Reader<'_> {
        let mut reader = self.0.reader();
        Box::new(move |entry, out| {
            self.1.lock().unwrap().insert(entry.path.clone());
            reader(entry, out)
        })
    }
}

struct Place {
    dir: TempDir,
    storage: Storage,
}

impl Place {
    fn new(threads: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let storage = Storage::open(options(&dir, threads)).unwrap();
        Self { dir, storage }
    }

    fn path(&self, at: &Location) -> PathBuf {
        self.storage.file(at)
    }

    fn sidecar(&self, at: &Location) -> PathBuf {
        self.path(at).with_file_name(format!(".{}.segments", at.file()))
    }

    /// Archives, and says how many files were read. The bytes have to be those of an archive made
    /// from nothing.
    fn store(&self, at: &Location, known: &Known, previous: Option<&Location>) -> usize {
        let watched = Watched(&known.tree, Mutex::default());
        let cancel = AtomicBool::new(false);
        let stored = self.storage.archive(at, &known.tree.entries(), &watched, &nothing(), &cancel, previous).unwrap();
        assert_eq!(stored.digest, Algorithm::Sha256.digest(&known.bytes));
        assert!(fs::read(self.path(at)).unwrap() == known.bytes, "not the bytes of an archive made from nothing");
        watched.1.into_inner().unwrap().len()
    }
}

static LARGE: LazyLock<Known> = LazyLock::new(|| Known::new(large()));
static CHANGED: LazyLock<Known> = LazyLock::new(|| Known::new(large().file(b"d3/f3", &text(999, 5000))));
static FIRST: LazyLock<Known> = LazyLock::new(|| Known::new(large().file(b"a", b"first")));

/// A tree, and its archive made from nothing.
struct Known {
    tree: Tree,
    bytes: Vec<u8>,
}

impl Known {
    fn new(tree: Tree) -> Self {
        let bytes = archive(&tree, &nothing(), 2);
        Self { tree, bytes }
    }
}

/// One change to a tree.
#[derive(Clone, Debug)]
enum Edit {
    Remove(prop::sample::Index),
    Change(prop::sample::Index, usize, u64),
    Mode(prop::sample::Index, Mode),
    Rename(prop::sample::Index, String),
    NoId(prop::sample::Index),
    Add(String, usize, u64),
}

fn edits() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    let size = prop_oneof![4 => 0usize..1500, 1 => 0usize..700_000];
    let mode = prop_oneof![Just(Mode::File), Just(Mode::Executable), Just(Mode::Symlink), Just(Mode::Link)];
    prop_oneof![
        index().prop_map(Edit::Remove),
        (index(), size.clone(), any::<u64>()).prop_map(|(at, size, seed)| Edit::Change(at, size, seed)),
        (index(), mode).prop_map(|(at, mode)| Edit::Mode(at, mode)),
        (index(), "[a-c]{1,3}(/[a-c])?").prop_map(|(at, name)| Edit::Rename(at, name)),
        index().prop_map(Edit::NoId),
        ("[a-c]{1,3}(/[a-c])?", size, any::<u64>()).prop_map(|(name, size, seed)| Edit::Add(name, size, seed)),
    ]
}

fn edited(mut tree: Tree, edit: Edit) -> Tree {
    let free = |tree: &Tree, name: &str| !tree.0.iter().any(|(entry, _)| clash(entry.path.as_bstr(), name.into()));
    let count = tree.0.len();
    let at = |index: prop::sample::Index| (count > 0).then(|| index.index(count));
    match edit {
        Edit::Remove(index) => {
            at(index).map(|at| tree.0.remove(at));
        }
        Edit::Change(index, size, seed) => {
            if let Some(at) = at(index) {
                let (entry, _) = tree.0.remove(at);
                tree = tree.file(&entry.path, &text(seed, size));
            }
        }
        Edit::Mode(index, mode) => {
            if let Some(at) = at(index).filter(|at| mode != Mode::Link || (1..4096).contains(&tree.0[*at].0.size)) {
                tree.0[at].0.mode = mode;
            }
        }
        Edit::Rename(index, name) => {
            if let Some(at) = at(index).filter(|_| free(&tree, &name)) {
                tree.0[at].0.path = name.into();
            }
        }
        Edit::NoId(index) => {
            if let Some(at) = at(index) {
                tree.0[at].0.id.clear();
            }
        }
        Edit::Add(name, size, seed) => {
            if free(&tree, &name) {
                tree = tree.file(name.as_bytes(), &text(seed, size));
            }
        }
    }
    // Contents that are too long for a link.
    for (entry, _) in &mut tree.0 {
        if entry.mode == Mode::Link && !(1..4096).contains(&entry.size) {
            entry.mode = Mode::File;
        }
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn the_bytes_are_those_of_an_archive_made_from_nothing(
        tree in trees(), steps in proptest::collection::vec(proptest::collection::vec(edits(), 0..4), 1..5), threads in 1usize..5
    ) {
        let place = Place::new(threads);
        let (mut known, mut previous) = (Known::new(tree), at("0"));
        place.store(&previous, &known, None);
        for (n, step) in steps.into_iter().enumerate() {
            known = Known::new(step.into_iter().fold(known.tree, edited));
            // Every other one in place of the one before.
            let next = at(&(n / 2).to_string());
            place.store(&next, &known, Some(&previous));
            previous = next;
        }
    }
}

#[test]
fn only_what_changed_is_read() {
    for threads in [1, 2, 7] {
        let place = Place::new(threads);
        let total = place.store(&at("a"), &LARGE, None);
        assert_eq!(total, 400);
        assert_eq!(place.store(&at("b"), &LARGE, Some(&at("a"))), 0);
        let some = place.store(&at("c"), &CHANGED, Some(&at("b")));
        assert!((1..150).contains(&some), "{some}");
        // In place of the one before, and from what was copied.
        assert_eq!(place.store(&at("c"), &LARGE, Some(&at("c"))), some);
        assert_eq!(place.store(&at("c"), &LARGE, Some(&at("c"))), 0);
        assert_eq!(place.store(&at("d"), &LARGE, Some(&at("gone"))), total);
    }
}

#[test]
fn what_has_no_id_is_always_read() {
    let place = Place::new(2);
    let mut tree = large();
    tree.0[7].0.id.clear();
    let known = Known::new(tree.clone());
    place.store(&at("a"), &known, None);
    assert!((1..150).contains(&place.store(&at("b"), &known, Some(&at("a")))));
    tree.0[7].1.fill(b'y');
    place.store(&at("c"), &Known::new(tree), Some(&at("b")));
}

#[test]
fn a_previous_artifact_that_is_damaged_is_not_copied() {
    let place = Place::new(2);
    place.store(&at("a"), &LARGE, None);
    let good = fs::read(place.path(&at("a"))).unwrap();
    let some = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 4;
        bad
    };
    // In the segments: at both ends and all over.
    for byte in (10..good.len() - 40).step_by(good.len() / 12).chain([10, good.len() - 60]) {
        fs::write(place.path(&at("a")), some(byte)).unwrap();
        let read = place.store(&at("b"), &LARGE, Some(&at("a")));
        assert!((1..300).contains(&read), "byte {byte}: {read}");
    }
    // What is around them is not copied at all.
    for byte in [0, 5, good.len() - 9, good.len() - 1] {
        fs::write(place.path(&at("a")), some(byte)).unwrap();
        assert_eq!(place.store(&at("b"), &LARGE, Some(&at("a"))), 0, "byte {byte}");
    }
    // Another length.
    for bad in [&good[..good.len() - 1], &good[..100], b"", &[&good[..], b"x"].concat()] {
        fs::write(place.path(&at("a")), bad).unwrap();
        assert_eq!(place.store(&at("b"), &LARGE, Some(&at("a"))), 400);
    }
}

#[test]
fn a_sidecar_that_is_damaged_or_anothers_is_not_used() {
    let place = Place::new(2);
    place.store(&at("a"), &LARGE, None);
    let sidecar = place.sidecar(&at("a"));
    let good = fs::read(&sidecar).unwrap();
    let read = || place.store(&at("b"), &LARGE, Some(&at("a")));
    for byte in [0, 15, 16, 47, 48, 56, 90, 100, 105, 110, 120, good.len() - 40, good.len() - 1] {
        let mut bad = good.clone();
        bad[byte] ^= 1;
        fs::write(&sidecar, bad).unwrap();
        assert_eq!(read(), 400, "byte {byte}");
    }
    for bad in [&good[..good.len() - 1], &good[..56], b"", &[&good[..], b"x"].concat()] {
        fs::write(&sidecar, bad).unwrap();
        assert_eq!(read(), 400);
    }
    fs::remove_file(&sidecar).unwrap();
    assert_eq!(read(), 400);
    fs::create_dir(&sidecar).unwrap();
    assert_eq!(read(), 400);
    fs::remove_dir(&sidecar).unwrap();

    // Of an artifact that differs, as a kill between artifact and sidecar leaves it, of the same
    // length too.
    fs::write(&sidecar, &good).unwrap();
    assert_eq!(read(), 0);
    fs::write(place.path(&at("a")), &CHANGED.bytes).unwrap();
    assert_eq!(place.store(&at("b"), &CHANGED, Some(&at("a"))), 400);
    let length = usize::try_from(u64::from_le_bytes(good[48..56].try_into().unwrap())).unwrap();
    fs::write(place.path(&at("a")), vec![7; length]).unwrap();
    assert_eq!(read(), 400);
}

#[test]
fn links_are_not_followed_to_what_is_copied() {
    let place = Place::new(1);
    place.store(&at("a"), &LARGE, None);
    std::os::unix::fs::symlink(place.path(&at("a")), place.path(&at("b"))).unwrap();
    fs::copy(place.sidecar(&at("a")), place.sidecar(&at("b"))).unwrap();
    assert_eq!(place.store(&at("c"), &LARGE, Some(&at("b"))), 400);
}

/// Does something when the first file is read.
struct First<'a, F>(&'a Tree, AtomicUsize, F);

impl<F: Fn() -> io::Result<()> + Sync> Contents for First<'_, F> {
    fn reader(&self) -> Reader<'_> {
        let mut reader = self.0.reader();
        Box::new(move |entry, out| {
            if self.1.fetch_add(1, Ordering::Relaxed) == 0 {
                self.2()?;
            }
            reader(entry, out)
        })
    }
}

fn with_first(place: &Place, cancel: &AtomicBool, first: impl Fn() -> io::Result<()> + Sync) -> Result<Stored, Error> {
    // The first file changes, so that it is read before anything is copied.
    let contents = First(&FIRST.tree, AtomicUsize::new(0), first);
    place.storage.archive(&at("b"), &FIRST.tree.entries(), &contents, &nothing(), cancel, Some(&at("a")))
}

#[test]
fn a_previous_artifact_may_go_meanwhile() {
    let place = Place::new(1);
    place.store(&at("a"), &LARGE, None);
    let cancel = AtomicBool::new(false);
    with_first(&place, &cancel, || place.storage.remove(&at("a")).map_err(io::Error::other)).unwrap();
    assert!(!place.storage.exists(&at("a")));
    assert!(fs::read(place.path(&at("b"))).unwrap() == FIRST.bytes);

    place.store(&at("a"), &LARGE, None);
    let cut = || fs::File::options().write(true).open(place.path(&at("a")))?.set_len(1000);
    with_first(&place, &cancel, cut).unwrap();
    assert!(fs::read(place.path(&at("b"))).unwrap() == FIRST.bytes);
}

#[test]
fn cancelling_or_failing_leaves_both_as_they_were() {
    let place = Place::new(2);
    place.store(&at("a"), &LARGE, None);
    place.store(&at("b"), &CHANGED, Some(&at("a")));
    let all = || -> Vec<_> { with_sidecars(&place.storage).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect() };
    let before = all();
    assert_eq!(before.len(), 4);
    let cancel = AtomicBool::new(false);
    let failed = with_first(&place, &cancel, || Err(io::Error::other("gone")));
    assert!(matches!(failed, Err(Error::Contents { .. })));
    assert!(all() == before);
    let cancelled = with_first(&place, &cancel, || {
        cancel.store(true, Ordering::Relaxed);
        Ok(())
    });
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert!(all() == before);
    // Also where there is nothing left to read.
    let cancelled = place.storage.archive(&at("b"), &LARGE.tree.entries(), &LARGE.tree, &nothing(), &cancel, Some(&at("a")));
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert!(all() == before);
}

#[test]
fn a_sidecar_that_cannot_be_written_is_no_failure_and_leaves_no_other() {
    let place = Place::new(1);
    let long = at(&"n".repeat(250));
    place.store(&long, &LARGE, None);
    assert_eq!(with_sidecars(&place.storage), [place.path(&long)]);
    assert_eq!(place.store(&at("a"), &LARGE, Some(&long)), 400);
    place.storage.remove(&long).unwrap();
    assert!(!place.storage.exists(&long));
}

#[test]
fn what_a_kill_left_of_a_sidecar_is_swept() {
    let place = Place::new(1);
    place.store(&at("a"), &LARGE, None);
    fs::write(place.path(&at("a")).with_file_name(".headwater-tmp-x"), "half").unwrap();
    Storage::open(options(&place.dir, 1)).unwrap();
    assert_eq!(with_sidecars(&place.storage), [place.sidecar(&at("a")), place.path(&at("a"))]);
}
