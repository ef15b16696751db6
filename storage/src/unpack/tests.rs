//! Archives that nobody here would write, and those that Flux's own controllers do.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tar::{EntryType, Header as TarHeader};
use tempfile::TempDir;

use super::*;
use crate::{Algorithm, Options, Retention};

const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 100, file: 1 << 16 };

struct Place {
    dir: TempDir,
    storage: Storage,
    at: Location,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let retention = Retention { ttl: Duration::ZERO, records: 1 };
        let options = Options { root: dir.path().join("root"), algorithm: Algorithm::Sha256, retention, threads: 1 };
        let storage = Storage::open(options).unwrap();
        let at = Location::new("k", "n", "x", "a.tar.gz").unwrap();
        std::fs::create_dir_all(storage.file(&at).parent().unwrap()).unwrap();
        Self { dir, storage, at }
    }

    fn file(&self, bytes: &[u8]) {
        std::fs::write(self.storage.file(&self.at), bytes).unwrap();
    }

    fn unpack(&self, from: &str, limits: Limits) -> Result<Unpacked, Error> {
        let unpacked = self.storage.unpack(&self.at, None, from.into(), self.dir.path(), limits, &AtomicBool::new(false));
        assert_eq!(std::fs::read_dir(self.dir.path()).unwrap().count(), 1, "something was left");
        unpacked
    }
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(tar).unwrap();
    gzip.finish().unwrap()
}

/// A block and what follows it. The name is not looked at.
fn block(kind: EntryType, name: &[u8], mode: u32, data: &[u8]) -> Vec<u8> {
    let mut header = TarHeader::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(data.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    sealed(header, data)
}

fn sealed(mut header: TarHeader, data: &[u8]) -> Vec<u8> {
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn file(name: &str, text: &str) -> Vec<u8> {
    block(EntryType::Regular, name.as_bytes(), 0o600, text.as_bytes())
}

fn link(name: &str, target: &str) -> Vec<u8> {
    let mut header = TarHeader::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_mode(0o777);
    header.set_size(0);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    sealed(header, b"")
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest..rest + 9).find(|length| length.to_string().len() + rest == *length).unwrap();
        data.extend([&length.to_string(), " ", key, "=", value, "\n"]);
    }
    block(EntryType::XHeader, b"PaxHeaders.0/x", 0o644, data.as_bytes())
}

fn whole(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = parts.concat();
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

fn rows(unpacked: &Unpacked) -> Vec<String> {
    let mut reader = unpacked.reader();
    let row = |entry: &Entry| {
        let mut text = Vec::new();
        if entry.mode == Mode::Directory {
            assert!(entry.id.is_empty());
            return format!("{}/", entry.path);
        }
        reader(entry, &mut text).unwrap();
        assert!(unpacked.holds(&entry.id) && entry.size == text.len() as u64 && entry.id == blake3::hash(&text).as_bytes());
        let mark = match entry.mode {
            Mode::Executable => "*",
            Mode::Link => "@",
            _ => "",
        };
        format!("{}{mark} {}", entry.path, BStr::new(&text))
    };
    unpacked.entries().iter().map(row).collect()
}

fn plain() -> Vec<u8> {
    whole(&[
        block(EntryType::Directory, b".", 0o750, b""),
        block(EntryType::Directory, b"empty", 0o750, b""),
        block(EntryType::Directory, b"x/", 0o750, b""),
        file("x/1.yaml", "one"),
        block(EntryType::Regular, b"x/run", 0o700, b"two"),
        file("x/y/z", "one"),
        file("xx", "other"),
        link("x/l", "../xx"),
    ])
}

#[test]
fn all_of_it_or_a_part() {
    let place = Place::new();
    place.file(&plain());
    let rows = |from| rows(&place.unpack(from, LIMITS).unwrap());
    let all = ["empty/", "x/", "x/1.yaml one", "x/run* two", "x/y/z one", "xx other", "x/l@ ../xx"];
    for from in ["", ".", "./", "..", "/", "x/.."] {
        assert_eq!(rows(from), all, "{from}");
    }
    for from in ["x", "x/", "/x", "../x", "./y/../x"] {
        assert_eq!(rows(from), ["1.yaml one", "run* two", "y/z one", "l@ ../xx"], "{from}");
    }
    assert_eq!(rows("x/y"), ["z one"]);
    assert!(rows("empty").is_empty());
    assert!(!place.unpack("empty", LIMITS).unwrap().is_file());
    assert_eq!(rows("x/run"), ["* two"]);
    assert!(place.unpack("x/run", LIMITS).unwrap().is_file());
}

#[test]
fn what_is_not_there_is_told_apart() {
    let place = Place::new();
    assert!(matches!(place.unpack("", LIMITS), Err(Error::Missing { .. })));
    place.file(&plain());
    for from in ["gone", "x/gone", "xx/y", "x/l", "x/l/y", "x/1"] {
        let Err(Error::NotInArchive { from: named }) = place.unpack(from, LIMITS) else { unreachable!("{from}") };
        assert_eq!(named, from);
    }
    let (good, bad) = (Algorithm::Blake3.digest(&plain()), Algorithm::Sha256.digest(b""));
    let unpack = |digest, scratch| place.storage.unpack(&place.at, Some(digest), "x".into(), scratch, LIMITS, &AtomicBool::new(false));
    assert!(unpack(&good, place.dir.path()).is_ok());
    assert!(matches!(unpack(&bad, place.dir.path()), Err(Error::Mismatch { .. })));
    assert!(matches!(unpack(&good, &place.dir.path().join("gone")), Err(Error::Scratch { .. })));
}

#[test]
fn names_of_other_writers() {
    let place = Place::new();
    let long = format!("{}/{}", "d".repeat(120), "é☺\n=".repeat(30));
    let mut prefixed = TarHeader::new_ustar();
    prefixed.set_path(format!("{}/{}", "p".repeat(90), "n".repeat(80))).unwrap();
    prefixed.set_mode(0o600);
    prefixed.set_size(1);
    prefixed.set_entry_type(EntryType::Regular);
    place.file(&whole(&[
        pax(&[("mtime", "1.5"), ("path", &long), ("size", "4")]),
        file("short", "text"),
        sealed(prefixed, b"p"),
        block(EntryType::GNULongName, b"././@LongLink", 0o644, &[&b"g"[..]; 150].concat()),
        block(EntryType::GNULongLink, b"././@LongLink", 0o644, &[&b"t"[..]; 150].concat()),
        link("g", "t"),
        file("last", ""),
    ]));
    let expected = [
        format!("{long} text"),
        format!("{}/{} p", "p".repeat(90), "n".repeat(80)),
        format!("{}@ {}", "g".repeat(150), "t".repeat(150)),
        "last ".to_owned(),
    ];
    assert_eq!(rows(&place.unpack("", LIMITS).unwrap()), expected);
}

/// With short and long names, in ASCII, other text and no text, which take it to three formats.
#[test]
fn what_go_writes() {
    let place = Place::new();
    place.file(include_bytes!("../../tests/data/go.tar.gz"));
    let unpacked = place.unpack("x", LIMITS).unwrap();
    let names: Vec<Vec<u8>> = unpacked.entries().iter().map(|entry| entry.path.to_vec()).collect();
    let prefixed = format!("{}/{}", "p".repeat(80), "q".repeat(80)).into_bytes();
    let expected: [&[u8]; 7] = [b"1.yaml", b"run", &[b'n'; 180], &prefixed, "é☺\n=".as_bytes(), b"\xff", &[0xff; 150]];
    assert_eq!(names, expected);
    let texts: Vec<String> = rows(&unpacked).iter().filter_map(|row| row.rsplit(' ').next().map(str::to_owned)).collect();
    assert_eq!(texts, ["1", "2", "long", "prefix", "uni", "notutf8", "notutf8long"]);
    assert_eq!(unpacked.entries()[1].mode, Mode::Executable);
}

#[test]
fn what_no_controller_writes_is_refused() {
    let place = Place::new();
    let bad = |name: &str, bytes: &[u8]| {
        place.file(bytes);
        for from in ["", "x"] {
            let refused = place.unpack(from, LIMITS);
            assert!(matches!(refused, Err(Error::Archive { .. })), "{name} from {from:?}: {refused:?}");
        }
    };
    for path in ["../a", "x/../../a", "..", "/a", "/"] {
        bad(path, &whole(&[file("x/a", ""), file(path, "")]));
    }
    for kind in [EntryType::Link, EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::GNUSparse, EntryType::XGlobalHeader] {
        bad(&format!("{kind:?}"), &whole(&[file("x/a", ""), block(kind, b"x/b", 0o600, b"")]));
    }
    bad("twice", &whole(&[file("x/a", "1"), file("./x//a", "1")]));
    bad("a link to nothing", &whole(&[file("x/a", ""), link("l", "")]));
    bad("a file as root", &whole(&[file("x/a", ""), file("x", ""), file(".", "")]));
    bad("a lying size", &whole(&[pax(&[("size", "1")]), file("x/a", "text")]));
    bad("no size", &whole(&[pax(&[("size", "-1")]), file("x/a", "text")]));
    bad("sparse", &whole(&[pax(&[("GNU.sparse.map", "0,1")]), file("x/a", "text")]));
    bad("two names", &whole(&[pax(&[("path", "x/a")]), pax(&[("path", "x/b")]), file("x/c", "")]));
    bad("NUL in a name", &whole(&[file("x/c", ""), pax(&[("path", "x/a\0b")]), file("x/c", "")]));
    bad("an extra header at the end", &whole(&[file("x/a", ""), pax(&[("path", "x/a")])]));
    bad("a long extra header", &whole(&[block(EntryType::GNULongName, b"n", 0o644, &vec![b'n'; 70_000]), file("x/a", "")]));
    for record in ["", "5", "x a=b\n", "99 a=b\n", "3 a=b\n", "6 ab\n", "0 a=b\n", "18446744073709551616 a=b\n", "6 a=b "] {
        let header = [record, "\0"].concat();
        bad(record, &whole(&[block(EntryType::XHeader, b"p", 0o644, header.as_bytes()), file("x/a", "")]));
    }
    let mut sum = file("x/a", "text");
    sum[0] = b'y';
    bad("a bad checksum", &whole(&[sum]));
    bad("no tar", &gzip(&[7; 2000]));
    bad("no gzip", b"text");
    bad("nothing", b"");
    bad("more after it", &[plain(), b"x".to_vec()].concat());
    bad("two members", &[plain(), plain()].concat());
    let mut lies = TarHeader::new_gnu();
    lies.set_size(5000);
    lies.set_mode(0o600);
    lies.set_entry_type(EntryType::Regular);
    lies.as_old_mut().name[..3].copy_from_slice(b"x/a");
    bad("it ends within a file", &gzip(&sealed(lies, &[0; 600])));
}

#[test]
fn a_cut_or_changed_archive_is_refused_or_the_same() {
    let place = Place::new();
    let good = plain();
    place.file(&good);
    let expected = rows(&place.unpack("x", LIMITS).unwrap());
    for at in 0..good.len() {
        place.file(&good[..at]);
        assert!(matches!(place.unpack("x", LIMITS), Err(Error::Archive { .. })), "{at} bytes");
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        place.file(&bad);
        // A few bits mean nothing: in the gzip header, and in the codes of what does not occur.
        match place.unpack("x", LIMITS) {
            Ok(unpacked) => assert_eq!(rows(&unpacked), expected, "byte {at}"),
            Err(error) => assert!(matches!(error, Error::Archive { .. } | Error::Limit { .. } | Error::NotInArchive { .. }), "{error}"),
        }
    }
}

#[test]
fn no_more_is_taken_than_allowed() {
    let place = Place::new();
    let limit = |limits| match place.unpack("x", limits) {
        Err(Error::Limit { what, .. }) => what,
        other => unreachable!("{other:?}"),
    };
    place.file(&plain());
    let tar = 512 * 8 + 512 * 4 + 1024;
    assert!(place.unpack("x", Limits { bytes: tar, entries: 8, file: 5 }).is_ok());
    assert!(place.unpack("x", Limits { file: 5, ..LIMITS }).is_ok());
    assert_eq!(limit(Limits { bytes: tar - 1, ..LIMITS }), "bytes");
    assert_eq!(limit(Limits { bytes: 600, ..LIMITS }), "bytes");
    assert_eq!(limit(Limits { entries: 7, ..LIMITS }), "entries");
    assert_eq!(limit(Limits { file: 2, ..LIMITS }), "bytes in a file");

    let bomb = block(EntryType::Regular, b"y", 0o600, &vec![0; 50 << 20]);
    place.file(&gzip(&bomb));
    assert_eq!(limit(LIMITS), "bytes");
    place.file(&whole(&vec![file("x/a", ""); 5000]));
    assert!(place.unpack("y", LIMITS).is_err());
    // A header that says more than there can be.
    let mut lies = TarHeader::new_gnu();
    lies.set_entry_type(EntryType::Regular);
    lies.set_mode(0o600);
    lies.set_size(u64::MAX / 2);
    lies.as_old_mut().name[..3].copy_from_slice(b"x/a");
    place.file(&gzip(&sealed(lies, &[0; 600])));
    assert_eq!(limit(LIMITS), "bytes in a file");
}

#[test]
fn cancelling_ends_it() {
    let place = Place::new();
    place.file(&plain());
    let unpacked = place.storage.unpack(&place.at, None, "x".into(), place.dir.path(), LIMITS, &AtomicBool::new(true));
    assert!(matches!(unpacked, Err(Error::Cancelled)));
}

proptest! {
    #[test]
    fn no_tar_makes_it_panic(tar in proptest::collection::vec(any::<u8>(), 0..3000), edits in proptest::collection::vec((0usize..3000, any::<u8>()), 0..8)) {
        let place = Place::new();
        place.file(&gzip(&tar));
        let _ = place.unpack("x", LIMITS);
        let mut near = [file("x/a", "text"), pax(&[("path", "x/b")]), file("x/c", ""), link("x/l", "a")].concat();
        for (at, byte) in edits {
            let at = at % near.len();
            near[at] = byte;
        }
        // With the sums made right, so that more than those is tried.
        for at in (0..near.len()).step_by(512) {
            let mut header = TarHeader::new_old();
            header.as_mut_bytes().copy_from_slice(&near[at..at + 512]);
            if header.cksum().is_ok() {
                header.set_cksum();
                near[at..at + 512].copy_from_slice(header.as_bytes());
            }
        }
        place.file(&gzip(&near));
        let _ = place.unpack("x", LIMITS);
    }
}
