#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use super::super::load::tests::chart_yaml;
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A header with the name as it is, however wrong.
fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(7);
    header.set_cksum();
    header
}

/// A tar archive of entries of any kind.
fn tarred(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (name, kind, data) in entries {
        archive.append(&header(name, *kind, data.len() as u64), *data).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A packed chart with one more entry after what is required.
fn with(name: &str, kind: EntryType, data: &[u8]) -> Vec<u8> {
    gzip(&tarred(&[("tide/Chart.yaml", EntryType::Regular, chart_yaml("tide").as_bytes()), (name, kind, data)]))
}

fn load(bytes: &[u8]) -> Result<Chart, String> {
    Chart::from_archive(bytes, &Limits::default()).map_err(|problem| problem.to_string())
}

fn metadata(bytes: &[u8]) -> Result<Metadata, String> {
    Metadata::of_archive(bytes, &Limits::default()).map_err(|problem| problem.to_string())
}

fn files_of(chart: &Chart) -> Vec<(&str, &[u8])> {
    chart.files.iter().map(|file| (file.name.as_str(), file.data.as_slice())).collect()
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for (name, problem) in [
        ("tide//etc/passwd", "chart illegally contains absolute paths"),
        ("tide/../x", "chart illegally references parent directory"),
        ("tide/..x", "chart illegally references parent directory"),
        ("tide\\..\\x", "chart illegally references parent directory"),
        ("tide/c:/x", "chart contains illegally named files"),
        ("tide\\c:\\x", "chart contains illegally named files"),
    ] {
        let packed = with(name, EntryType::Regular, b"x");
        assert_eq!(load(&packed).unwrap_err(), problem, "{name}");
        assert_eq!(metadata(&packed).unwrap_err(), problem, "{name}");
    }
    let packed = with("x", EntryType::Regular, b"x");
    assert_eq!(load(&packed).unwrap_err(), "chart illegally contains content outside the base directory: \"x\"");
    assert_eq!(metadata(&packed).unwrap_err(), "chart illegally contains content outside the base directory: x");
    assert_eq!(load(&with("Chart.yaml/x", EntryType::Regular, b"x")).unwrap_err(), "chart yaml not in base directory");
}

#[test]
fn an_absolute_name_is_one_below_a_folder_without_name() {
    let chart = load(&with("/etc/passwd", EntryType::Regular, b"x")).unwrap();
    assert_eq!(files_of(&chart), [("etc/passwd", &b"x"[..])]);
}

#[test]
fn names_are_cleaned_and_the_top_folder_does_not_matter() {
    let chart = load(&with("other\\a\\.\\b", EntryType::Regular, b"\xef\xbb\xbfx")).unwrap();
    assert_eq!(files_of(&chart), [("a/b", &b"x"[..])]);
    assert_eq!(chart.files[0].seconds, 7);
}

#[test]
fn links_and_devices_are_empty_files_and_folders_nothing() {
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Fifo, EntryType::Char, EntryType::Block] {
        let chart = load(&with("tide/Chart.lock", kind, b"")).unwrap();
        assert_eq!(chart.lock, None);
        let chart = load(&with("tide/link", kind, b"")).unwrap();
        assert_eq!(files_of(&chart), [("link", &b""[..])]);
        // One reader finds the next header inside such data, another behind it.
        assert_eq!(load(&with("tide/link", kind, b"data")).unwrap_err(), "decompressed chart is larger than the maximum size 104857600");
    }
    assert!(files_of(&load(&with("../../tide", EntryType::Directory, b"")).unwrap()).is_empty());
}

#[test]
fn sizes_that_lie_are_found_out() {
    let mut lying = tarred(&[("tide/Chart.yaml", EntryType::Regular, chart_yaml("tide").as_bytes())]);
    lying.truncate(lying.len() - 1024);
    lying.extend_from_slice(header("tide/x", EntryType::Regular, 1 << 20).as_bytes());
    lying.extend_from_slice(&[b'x'; 600]);
    assert_eq!(load(&gzip(&lying)).unwrap_err(), "unexpected EOF");
    assert_eq!(metadata(&gzip(&lying)).unwrap_err(), "unexpected EOF");

    let mut huge = header("tide/x", EntryType::Regular, 0);
    huge.as_old_mut().size = *b"77777777777\0";
    huge.set_cksum();
    let problem = "decompressed chart is larger than the maximum size 104857600";
    assert_eq!(load(&gzip(huge.as_bytes())).unwrap_err(), problem);
    assert_eq!(metadata(&gzip(huge.as_bytes())).unwrap_err(), problem);
    let mut negative = huge.clone();
    negative.as_old_mut().size = *b"-0000000001\0";
    negative.set_cksum();
    assert_eq!(load(&gzip(negative.as_bytes())).unwrap_err(), "archive/tar: invalid tar header");
}

#[test]
fn bombs_are_stopped() {
    let zeros = vec![0; 6 << 20];
    let packed = with("tide/x", EntryType::Regular, &zeros);
    assert_eq!(load(&packed).unwrap_err(), "decompressed chart file \"tide/x\" is larger than the maximum file size 5242880");
    let limits = Limits { total: 1 << 20, ..Limits::default() };
    let problem = "decompressed chart is larger than the maximum size 1048576";
    assert_eq!(Chart::from_archive(&packed, &limits).unwrap_err().to_string(), problem);
    assert_eq!(Metadata::of_archive(&packed, &limits).unwrap_err().to_string(), problem);

    // Nor may names be long, entries be many, or packed subcharts begin anew.
    let packed = with("tide/x", EntryType::GNULongName, &zeros);
    assert_eq!(load(&packed).unwrap_err(), "archive/tar: header field too long");
    let limits = Limits { entries: 1, ..Limits::default() };
    let packed = with("tide/x", EntryType::Regular, b"");
    assert_eq!(Chart::from_archive(&packed, &limits).unwrap_err().to_string(), "chart archive has more than 1 entries");
    let sub = with("tide/x", EntryType::Regular, &vec![0; 300_000]);
    let names: Vec<String> = (0..5).map(|n| format!("tide/charts/{n}.tgz")).collect();
    let yaml = chart_yaml("tide");
    let mut entries = vec![("tide/Chart.yaml", EntryType::Regular, yaml.as_bytes())];
    entries.extend(names.iter().map(|name| (name.as_str(), EntryType::Regular, sub.as_slice())));
    let packed = gzip(&tarred(&entries));
    assert!(load(&packed).is_ok());
    let limits = Limits { total: 1 << 20, ..Limits::default() };
    assert!(Chart::from_archive(&packed, &limits).unwrap_err().to_string().ends_with(problem));
}

#[test]
fn long_names_and_attributes_are_understood() {
    let long = format!("tide/{}", "n/".repeat(100));
    let yaml = chart_yaml("tide");
    let chart = load(&gzip(&tarred(&[
        ("tide/Chart.yaml", EntryType::Regular, yaml.as_bytes()),
        ("pax_global_header", EntryType::XGlobalHeader, b"18 comment=abcdef\n"),
        ("././@LongLink", EntryType::GNULongName, format!("{long}gnu\0").as_bytes()),
        ("short", EntryType::Regular, b"1"),
        ("x", EntryType::XHeader, b"22 path=tide/p\xc3\xa4x.txt\n17 mtime=42.9999\n"),
        ("short", EntryType::Regular, b"2"),
        ("tide/plain", EntryType::Regular, b"3"),
    ])))
    .unwrap();
    let gnu = format!("{}gnu", "n/".repeat(100));
    assert_eq!(files_of(&chart), [(gnu.as_str(), &b"1"[..]), ("päx.txt", b"2"), ("plain", b"3")]);
    assert_eq!(chart.files[1].seconds, 42);
    for attributes in ["20 path=tide/../x\n", "9 size=9\n", "99 path=x\n", "x", "5 =x\n", "-1 a=b\n", "9 path=a\0\n"] {
        let packed = gzip(&tarred(&[("x", EntryType::XHeader, attributes.as_bytes()), ("tide/x", EntryType::Regular, b"2")]));
        let problem = load(&packed).unwrap_err();
        assert!(["archive/tar: invalid tar header", "chart illegally references parent directory"].contains(&&*problem), "{problem}");
    }
    for sparse in [with("tide/x", EntryType::GNUSparse, b""), with("x", EntryType::XHeader, b"22 GNU.sparse.major=1\n")] {
        assert_eq!(load(&sparse).unwrap_err(), "chart illegally contains sparse files");
    }
}

#[test]
fn gzip_is_read_as_go_reads_it() {
    let sound = with("tide/x", EntryType::Regular, b"x");
    let plain = tarred(&[("tide/Chart.yaml", EntryType::Regular, chart_yaml("tide").as_bytes())]);
    let members = [gzip(&plain[..700]), gzip(&plain[700..])].concat();
    assert_eq!(load(&members).unwrap().name(), "tide");
    assert_eq!(load(&[&sound[..], b"trailing data"].concat()).unwrap().name(), "tide");
    for (bytes, problem) in [
        (&b""[..], "EOF"),
        (b"\x1f\x8b\x08", "unexpected EOF"),
        (b"apiVersion: v2\n", "gzip: invalid header"),
        (&sound[..sound.len() / 2], "unexpected EOF"),
        (&gzip(b"neither tar nor chart")[..], "unexpected EOF"),
        (&gzip(&[b'x'; 1024])[..], "archive/tar: invalid tar header"),
        (&gzip(&[0; 1024])[..], "no files in chart archive"),
    ] {
        assert_eq!(load(bytes).unwrap_err(), problem);
    }
    assert_eq!(metadata(&gzip(&[0; 1024])).unwrap_err(), "no 'Chart.yaml' found");
}

#[test]
fn metadata_is_read_at_the_top_alone() {
    let yaml = chart_yaml("tide");
    let packed = gzip(&tarred(&[
        ("tide/charts/sub/Chart.yaml", EntryType::Regular, b"junk: ["),
        ("tide/requirements.yaml", EntryType::Regular, b"dependencies: [{name: a}]\n"),
        ("tide/Chart.yaml", EntryType::Regular, yaml.as_bytes()),
    ]));
    let found = metadata(&packed).unwrap();
    assert_eq!((found.name.as_str(), found.dependencies.len()), ("tide", 1));
    let limits = Limits { file: 5, ..Limits::default() };
    assert_eq!(Metadata::of_archive(&packed, &limits).unwrap_err().to_string(), "size of 'tide/requirements.yaml' exceeds '5' bytes limit");
    assert_eq!(
        metadata(&with("tide/Chart.yaml", EntryType::Regular, b"- x")).unwrap_err(),
        "cannot load 'Chart.yaml': error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type v2.Metadata"
    );
}

#[test]
fn archives_of_a_source_must_be_of_a_known_format() {
    let packed = |yaml: &str| gzip(&tarred(&[("tide/Chart.yaml", EntryType::Regular, yaml.as_bytes())]));
    let load = |bytes: &[u8]| load_file("x/c.yaml", bytes, &Limits::default()).map(|c| c.metadata.name).map_err(|p| p.to_string());
    assert_eq!(load(&packed(&chart_yaml("tide"))), Ok("tide".to_owned()));
    for (bytes, problem) in [
        (packed("apiVersion: v3"), "only the Chart API v2 is supported"),
        (packed("apiVersion: v4\nname: [x]"), "unsupported chart version"),
        (with("tide/../x", EntryType::Regular, b""), "unable to load chart archive"),
        (gzip(&tarred(&[("tide/x", EntryType::Regular, b"")])), "unable to detect chart version, no Chart.yaml found"),
        (b"a: 1".to_vec(), "file '/x/c.yaml' seems to be a YAML file, but expected a gzipped archive"),
    ] {
        assert_eq!(load(&bytes).unwrap_err(), problem);
    }
}

/// Whether a path stays where it is put.
fn stays(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/') && !path.split('/').any(|part| matches!(part, "" | "." | ".."))
}

proptest! {
    #[test]
    fn whatever_an_archive_says_no_name_leads_outside(
        names in prop::collection::vec("(tide|[.]{1,2}|[a-c]:|)([/\\\\]{1,2}([.]{1,3}|[a-d]|c:|Chart.yaml)){0,5}", 1..6),
    ) {
        let yaml = chart_yaml("tide");
        let mut entries = vec![("tide/Chart.yaml", EntryType::Regular, yaml.as_bytes())];
        entries.extend(names.iter().map(|name| (name.as_str(), EntryType::Regular, &b""[..])));
        if let Ok(chart) = load(&gzip(&tarred(&entries))) {
            prop_assert!(chart.files.iter().all(|file| stays(&file.name)), "{names:?}");
        }
    }

    #[test]
    fn damaged_archives_are_read_or_refused(at in 0..4096_usize, bit in 0..8_u8, cut in 0..4096_usize) {
        let yaml = chart_yaml("tide");
        let mut plain = tarred(&[
            ("x", EntryType::XHeader, b"17 mtime=42.9999\n"),
            ("tide/Chart.yaml", EntryType::Regular, yaml.as_bytes()),
            ("tide/values.yaml", EntryType::Regular, b"a: [1, {b: c}]\n"),
        ]);
        let length = plain.len();
        plain[at % length] ^= 1 << bit;
        plain.truncate(length - cut % length);
        let packed = gzip(&plain);
        let _ = (load(&packed), metadata(&packed));
        let mut packed = gzip(&tarred(&[("tide/Chart.yaml", EntryType::Regular, yaml.as_bytes())]));
        let length = packed.len();
        packed[at % length] ^= 1 << bit;
        let _ = (load(&packed), metadata(&packed));
    }
}
