//! Archives that nobody should make: names that lead elsewhere, links, sizes that lie, bombs.

use std::{io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use headwater_helm::chart::{Absent, Limits, Metadata};
use headwater_testing::charts::gzip;

use super::{Packaged, Refusal};

const METADATA: &str = "apiVersion: v2\nname: podx\nversion: 1.0.0\n";

/// An entry of an archive, however little sense it makes.
struct Entry<'a> {
    name: &'a str,
    kind: u8,
    target: &'a str,
    content: &'a [u8],
}

fn plain<'a>(name: &'a str, content: &'a str) -> Entry<'a> {
    Entry { name, kind: b'0', target: "", content: content.as_bytes() }
}

/// The archive of these entries, each of which says that it is `lie` bytes longer than it is.
fn tar(entries: &[Entry], lie: u64) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        let old = header.as_old_mut();
        old.name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        old.linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
        old.linkflag = [entry.kind];
        header.set_mode(0o644);
        header.set_size(entry.content.len() as u64 + lie);
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(entry.content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn tgz(entries: &[Entry]) -> Vec<u8> {
    gzip(&tar(entries, 0))
}

/// A chart with more entries.
fn with<'a>(more: impl IntoIterator<Item = Entry<'a>>) -> Vec<u8> {
    let mut entries = vec![plain("podx/Chart.yaml", METADATA), plain("podx/values.yaml", "a: 1\n")];
    entries.extend(more);
    tgz(&entries)
}

/// A chart with so many files of four MiB each, which is small as long as it is packed.
fn bomb(files: usize) -> Vec<u8> {
    let (nothing, mut packed) = (vec![0; 4 << 20], GzEncoder::new(Vec::new(), Compression::fast()));
    let start = tar(&[plain("podx/Chart.yaml", METADATA), plain("podx/values.yaml", "a: 1\n")], 0);
    packed.write_all(&start[..start.len() - 1024]).unwrap();
    for number in 0..files {
        let entry = tar(&[Entry { name: &format!("podx/{number}"), kind: b'0', target: "", content: &nothing }], 0);
        packed.write_all(&entry[..entry.len() - 1024]).unwrap();
    }
    packed.write_all(&[0; 1024]).unwrap();
    packed.finish().unwrap()
}

/// Looks at a chart as one that is kept as it came.
fn pull(archive: &[u8], limits: &Limits) -> Result<Metadata, String> {
    let mut metadata = Metadata::of_archive(archive, limits).map_err(|problem| problem.to_string())?;
    metadata.validate().map_err(|problem| problem.to_string())?;
    Ok(metadata)
}

/// Packages a chart with another value.
fn merge(archive: &[u8]) -> Result<Packaged, Refusal> {
    Packaged::of(archive, "1.0.0+1", &["values.yaml", "none.yaml"], Absent::Ignored)
}

/// The reason why a chart cannot even be loaded.
fn unloaded(archive: &[u8]) -> String {
    let Err(Refusal::Load(problem)) = merge(archive) else { unreachable!("the chart is loaded") };
    problem.to_string()
}

#[test]
fn archives_that_lead_out_of_themselves_are_refused() {
    let cases = [
        ("podx/../../../../evil", "chart illegally references parent directory"),
        ("podx//tmp/headwater-evil", "chart illegally contains absolute paths"),
        ("podx/c:/evil", "chart contains illegally named files"),
        ("podx", "chart illegally contains content outside the base directory: "),
    ];
    for (name, why) in cases {
        let archive = with([plain(name, "evil")]);
        let pulled = pull(&archive, &Limits::default()).unwrap_err();
        assert!(pulled.starts_with(why), "{name}: {pulled}");
        let loaded = unloaded(&archive);
        assert!(loaded.starts_with(why), "{name}: {loaded}");
    }
    assert!(!Path::new("/tmp/headwater-evil").exists());
}

#[test]
fn archives_that_are_odd_but_harmless_are_taken_as_upstream_takes_them() {
    let absolute = with([plain("/etc/x", "x")]);
    let tops = with([plain("b/Chart.yaml", "apiVersion: v2\nname: b\nversion: 3.0.0\n")]);
    let other = tgz(&[plain("else/Chart.yaml", "apiVersion: v2\nname: else\nversion: 7.0.0\n"), plain("else/values.yaml", "a: 1\n")]);
    let links = with([
        Entry { name: "podx/soft", kind: b'2', target: "../../../../etc/passwd", content: b"" },
        Entry { name: "podx/hard", kind: b'1', target: "/etc/passwd", content: b"" },
    ]);
    for archive in [&absolute, &tops, &other, &links] {
        pull(archive, &Limits::default()).unwrap();
    }
    // What is packaged here has neither links nor paths that lead elsewhere.
    let expected = [
        (&absolute, vec!["podx/Chart.yaml", "podx/etc/x", "podx/values.yaml"]),
        (&links, vec!["podx/Chart.yaml", "podx/hard", "podx/soft", "podx/values.yaml"]),
        (&other, vec!["else/Chart.yaml", "else/values.yaml"]),
    ];
    for (archive, paths) in expected {
        let listing = merge(archive).unwrap().listing();
        assert_eq!(listing.keys().map(String::as_str).collect::<Vec<_>>(), paths);
        for link in ["podx/hard", "podx/soft"].iter().filter_map(|path| listing.get(*path)) {
            assert_eq!(link, b"");
        }
    }
}

#[test]
fn charts_that_say_something_wrong_of_themselves_are_refused() {
    let named = |name: &str| tgz(&[plain("podx/Chart.yaml", &format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n"))]);
    let traversal = named("../../evil");
    let missing = tgz(&[plain("podx/values.yaml", "a: 1\n")]);
    let version = tgz(&[plain("podx/Chart.yaml", "apiVersion: v2\nname: podx\nversion: latest\n")]);
    let long = tgz(&[plain("podx/Chart.yaml", &format!("{METADATA}description: {}\n", "x".repeat(3000)))]);
    let empty = tgz(&[]);
    let limits = Limits { file: 2000, ..Limits::default() };
    let cases = [
        (&traversal, "validation: chart.metadata.name \"../../evil\" is invalid"),
        (&missing, "no 'Chart.yaml' found"),
        (&version, "validation: chart.metadata.version \"latest\" is invalid"),
        (&long, "size of 'podx/Chart.yaml' exceeds '2000' bytes limit"),
        (&empty, "no 'Chart.yaml' found"),
    ];
    for (archive, why) in cases {
        assert_eq!(pull(archive, &limits).unwrap_err(), why);
    }
    for archive in [&traversal, &missing, &empty] {
        assert!(merge(archive).is_err());
    }
}

#[test]
fn sizes_that_lie_and_bombs_are_found_out() {
    let start = [plain("podx/Chart.yaml", METADATA), plain("podx/values.yaml", "a: 1\n")];
    let fine = with([plain("podx/x", "x")]);
    pull(&fine, &Limits::default()).unwrap();
    merge(&fine).unwrap();
    for archive in [gzip(&tar(&start, 1 << 40)), bomb(30), fine[..fine.len() - 20].to_vec()] {
        pull(&archive, &Limits::default()).unwrap_err();
        unloaded(&archive);
    }
}
