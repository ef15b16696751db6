//! Archives that nobody should make: names that lead elsewhere, links, bombs.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use headwater_testing::charts::{gzip, index};
use serde_json::json;

use super::{Fate, Set};
use crate::support::{
    artifact::{download, listing},
    cluster::{Server, on_each_server},
    namespace::message,
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

/// The archive of these entries.
fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        let old = header.as_old_mut();
        old.name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        old.linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
        old.linkflag = [entry.kind];
        header.set_mode(0o644);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(entry.content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn tgz(entries: &[Entry]) -> Vec<u8> {
    gzip(&tar(entries))
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
    let start = tar(&[plain("podx/Chart.yaml", METADATA), plain("podx/values.yaml", "a: 1\n")]);
    packed.write_all(&start[..start.len() - 1024]).unwrap();
    for number in 0..files {
        let entry = tar(&[Entry { name: &format!("podx/{number}"), kind: b'0', target: "", content: &nothing }]);
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

on_each_server!(archives_that_lead_out_of_themselves_and_bombs_are_refused_and_leave_nothing);
async fn archives_that_lead_out_of_themselves_and_bombs_are_refused_and_leave_nothing(server: &Server) {
    let dotdot = with([plain("podx/../../../../evil", "evil")]);
    let rooted = with([plain("podx//tmp/headwater-evil", "evil")]);
    let long = tgz(&[plain("podx/Chart.yaml", &format!("{METADATA}description: {}\n", "x".repeat(3000)))]);
    let links = with([
        Entry { name: "podx/soft", kind: b'2', target: "../../../../etc/passwd", content: b"" },
        Entry { name: "podx/hard", kind: b'1', target: "/etc/passwd", content: b"" },
    ]);
    let set = Set::with(server, "chart-hostile", &["--helm-chart-file-max-size=2000"]).await;
    serve(&set, &[("dotdot", &dotdot), ("rooted", &rooted), ("long", &long), ("bomb", &bomb(30)), ("links", &links)]).await;
    for (name, why) in [("dotdot", "chart illegally references parent directory"), ("rooted", "chart illegally contains absolute paths")] {
        set.fails(name, "ChartPullError", Fate::Retries, &format!("{PULL}: {why}")).await;
        let words = format!("chart package error: failed to load downloaded chart: {why}");
        set.fails(&format!("{name}-merged"), "ChartPackageError", Fate::Retries, &words).await;
    }
    let words = format!("{PULL}: size of 'podx/Chart.yaml' exceeds '2000' bytes limit");
    set.fails("long", "ChartPullError", Fate::Retries, &words).await;
    let object = set.charts.failed("bomb", "ChartPullError").await;
    assert!(message(&object, "Ready").starts_with(PULL), "{}", object["status"]);
    let object = set.charts.failed("bomb-merged", "ChartPackageError").await;
    assert!(object["status"]["artifact"].is_null(), "{}", object["status"]);
    // Links are harmless where nothing is unpacked, and what is packaged here has none.
    assert!(download(&set.charts.ready_at("links", "1.0.0").await).await.unwrap() == links);
    let listing = listing(&set.charts.ready_at("links-merged", "1.0.0+1").await).await;
    let paths = ["podx/Chart.yaml", "podx/hard", "podx/soft", "podx/values.yaml"];
    assert_eq!(listing.keys().map(String::as_str).collect::<Vec<_>>(), paths);
    assert!(listing["podx/hard"].content.is_empty() && listing["podx/soft"].content.is_empty());
    tidy(&set);
}
