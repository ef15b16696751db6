//! Archives that nobody should make: names that lead elsewhere, links, sizes that lie, bombs.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use headwater_testing::charts::{gzip, index};
use serde_json::json;

use super::{Fate, Set};
use crate::support::{
    artifact::{download, listing},
    cluster::{Server, on_each_server},
    namespace::{message, status_is},
};

const METADATA: &str = "apiVersion: v2\nname: podx\nversion: 1.0.0\n";
const PULL: &str = "chart pull error: failed to load chart metadata from written chart";

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

/// Serves these archives as charts and makes two HelmCharts of each: one that is pulled, and one that is packaged with another value.
async fn serve(set: &Set, archives: &[(&str, &Vec<u8>)]) {
    for (name, archive) in archives {
        set.web.put(&format!("r/{name}-1.0.0.tgz"), (*archive).clone());
    }
    let charts: Vec<_> = archives.iter().map(|(name, archive)| (*name, "1.0.0", archive.as_slice())).collect();
    set.web.put("r/index.yaml", index(&charts));
    set.repository("h", "r").await;
    for (name, _) in archives {
        set.take(name, &json!({"chart": name})).await;
        let merged = json!({"chart": name, "valuesFiles": ["values.yaml", "none.yaml"], "ignoreMissingValuesFiles": true});
        set.take(&format!("{name}-merged"), &merged).await;
    }
}

/// Panics if a file is where none belongs.
fn tidy(set: &Set) {
    for path in set.world.controller.stored() {
        let name = path.rsplit('/').next().unwrap();
        let known = ["helmchart/", "helmrepository/"].iter().any(|kind| path.starts_with(&format!("{kind}{}/", set.charts.name)));
        assert!(known && path.split('/').count() == 4 && !name.contains("evil"), "{path}");
    }
    assert!(!std::path::Path::new("/tmp/headwater-evil").exists());
    assert!(!set.world.folder.path().join("evil").exists());
}

on_each_server!(archives_that_lead_out_of_themselves_are_refused);
async fn archives_that_lead_out_of_themselves_are_refused(server: &Server) {
    let dotdot = with([plain("podx/../../../../evil", "evil")]);
    let rooted = with([plain("podx//tmp/headwater-evil", "evil")]);
    let drive = with([plain("podx/c:/evil", "evil")]);
    let top = with([plain("podx", "evil")]);
    let set = Set::new(server, "chart-hostile").await;
    serve(&set, &[("dotdot", &dotdot), ("rooted", &rooted), ("drive", &drive), ("top", &top)]).await;
    let cases = [
        ("dotdot", "chart illegally references parent directory"),
        ("rooted", "chart illegally contains absolute paths"),
        ("drive", "chart contains illegally named files"),
        ("top", "chart illegally contains content outside the base directory: "),
    ];
    for (name, why) in cases {
        let object = set.charts.failed(name, "ChartPullError").await;
        assert!(message(&object, "Ready").starts_with(&format!("{PULL}: {why}")), "{}", object["status"]);
        let object = set.charts.failed(&format!("{name}-merged"), "ChartPackageError").await;
        let words = format!("chart package error: failed to load downloaded chart: {why}");
        assert!(message(&object, "Ready").starts_with(&words), "{}", object["status"]);
    }
    tidy(&set);
}

on_each_server!(archives_that_are_odd_but_harmless_are_taken_as_upstream_takes_them);
async fn archives_that_are_odd_but_harmless_are_taken_as_upstream_takes_them(server: &Server) {
    let absolute = with([plain("/etc/x", "x")]);
    let tops = with([plain("b/Chart.yaml", "apiVersion: v2\nname: b\nversion: 3.0.0\n")]);
    let other = tgz(&[plain("else/Chart.yaml", "apiVersion: v2\nname: else\nversion: 7.0.0\n"), plain("else/values.yaml", "a: 1\n")]);
    let links = with([
        Entry { name: "podx/soft", kind: b'2', target: "../../../../etc/passwd", content: b"" },
        Entry { name: "podx/hard", kind: b'1', target: "/etc/passwd", content: b"" },
    ]);
    let set = Set::new(server, "chart-odd").await;
    let archives = [("absolute", &absolute), ("tops", &tops), ("other", &other), ("links", &links)];
    serve(&set, &archives).await;
    for (name, archive) in archives {
        let object = set.charts.ready_at(name, "1.0.0").await;
        assert!(download(&object).await.unwrap() == *archive, "{name}");
    }
    // What is packaged here has neither links nor paths that lead elsewhere.
    let expected = [
        ("absolute", vec!["podx/Chart.yaml", "podx/etc/x", "podx/values.yaml"]),
        ("links", vec!["podx/Chart.yaml", "podx/hard", "podx/soft", "podx/values.yaml"]),
        ("other", vec!["else/Chart.yaml", "else/values.yaml"]),
    ];
    for (name, paths) in expected {
        let object = set.charts.ready_at(&format!("{name}-merged"), "1.0.0+1").await;
        let listing = listing(&object).await;
        assert_eq!(listing.keys().map(String::as_str).collect::<Vec<_>>(), paths, "{name}");
        for link in ["podx/hard", "podx/soft"].iter().filter_map(|path| listing.get(*path)) {
            assert_eq!(link.content, b"");
        }
    }
    tidy(&set);
}

on_each_server!(charts_that_say_something_wrong_of_themselves_are_refused);
async fn charts_that_say_something_wrong_of_themselves_are_refused(server: &Server) {
    let name = |name: &str| tgz(&[plain("podx/Chart.yaml", &format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n"))]);
    let traversal = name("../../evil");
    let missing = tgz(&[plain("podx/values.yaml", "a: 1\n")]);
    let version = tgz(&[plain("podx/Chart.yaml", "apiVersion: v2\nname: podx\nversion: latest\n")]);
    let long = tgz(&[plain("podx/Chart.yaml", &format!("{METADATA}description: {}\n", "x".repeat(3000)))]);
    let empty = tgz(&[]);
    let set = Set::with(server, "chart-wrong", &["--helm-chart-file-max-size=2000"]).await;
    let archives = [("traversal", &traversal), ("missing", &missing), ("version", &version), ("long", &long), ("empty", &empty)];
    serve(&set, &archives).await;
    let validation = "chart pull error: failed to validate metadata of written chart: validation";
    let cases = [
        ("traversal", format!("{validation}: chart.metadata.name \"../../evil\" is invalid")),
        ("missing", format!("{PULL}: no 'Chart.yaml' found")),
        ("version", format!("{validation}: chart.metadata.version \"latest\" is invalid")),
        ("long", format!("{PULL}: size of 'podx/Chart.yaml' exceeds '2000' bytes limit")),
        ("empty", format!("{PULL}: no 'Chart.yaml' found")),
    ];
    for (name, words) in &cases {
        set.fails(name, "ChartPullError", Fate::Retries, words).await;
    }
    for name in ["traversal", "missing", "empty"] {
        let object = set.charts.wait(&format!("{name}-merged"), "failed", |object| status_is(object, "Ready", "False")).await;
        assert!(object["status"]["artifact"].is_null(), "{}", object["status"]);
    }
    tidy(&set);
}

on_each_server!(sizes_that_lie_and_bombs_are_found_out);
async fn sizes_that_lie_and_bombs_are_found_out(server: &Server) {
    let start = [plain("podx/Chart.yaml", METADATA), plain("podx/values.yaml", "a: 1\n")];
    let lying = gzip(&tar(&start, 1 << 40));
    let (bomb, fine) = (bomb(30), with([plain("podx/x", "x")]));
    let torn = fine[..fine.len() - 20].to_vec();
    let set = Set::new(server, "chart-bomb").await;
    serve(&set, &[("lying", &lying), ("bomb", &bomb), ("torn", &torn), ("fine", &fine)]).await;
    set.charts.ready("fine").await;
    for name in ["lying", "bomb", "torn"] {
        let object = set.charts.failed(name, "ChartPullError").await;
        assert!(message(&object, "Ready").starts_with(PULL), "{}", object["status"]);
        let object = set.charts.failed(&format!("{name}-merged"), "ChartPackageError").await;
        assert!(object["status"]["artifact"].is_null(), "{}", object["status"]);
    }
    tidy(&set);
}
