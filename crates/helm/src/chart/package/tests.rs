#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Read;

use super::super::load::tests::{Tree, chart_yaml};
use super::super::{Limits, Metadata};
use super::*;

fn load(files: &[(&str, &str)]) -> Chart {
    Chart::load(&Tree::of(files), "c", &Limits::default()).unwrap()
}

/// Name, mode, time and contents of every entry.
fn entries(packed: &[u8]) -> Vec<(String, u32, u64, String)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let header = entry.header();
        (entry.path().unwrap().to_str().unwrap().to_owned(), header.mode().unwrap(), header.mtime().unwrap(), text)
    });
    entries.collect()
}

fn names(packed: &[u8]) -> Vec<String> {
    entries(packed).into_iter().map(|entry| entry.0).collect()
}

#[test]
fn entries_come_in_helms_order() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let mut chart = load(&[
        ("c/Chart.yaml", "version: v1.0\nname: tide\napiVersion: v2\ndependencies: [{name: b}]\n"),
        ("c/Chart.lock", "generated: 2020-01-02T03:04:05Z\ndigest: d\n"),
        ("c/values.yaml", "# kept\na: 1\n"),
        ("c/values.schema.json", "{}"),
        ("c/templates/x.yaml", "x"),
        ("c/.helmignore", "#"),
        ("c/é.txt", "e"),
        (&format!("c/{long}"), "long"),
        ("c/charts/z/Chart.yaml", &chart_yaml("a")),
        ("c/charts/y/Chart.yaml", "name: b\nversion: 2\n"),
        ("c/charts/y/requirements.yaml", "dependencies: []\n"),
        ("c/charts/y/charts/m/Chart.yaml", &chart_yaml("m")),
    ]);
    let packed = chart.package().unwrap();
    let expected = [
        "tide/Chart.yaml",
        "tide/Chart.lock",
        "tide/values.yaml",
        "tide/values.schema.json",
        "tide/templates/x.yaml",
        "tide/.helmignore",
        &format!("tide/{long}"),
        "tide/é.txt",
        "tide/charts/a/Chart.yaml",
        "tide/charts/b/Chart.yaml",
        "tide/charts/b/requirements.yaml",
        "tide/charts/b/charts/m/Chart.yaml",
    ];
    assert_eq!(names(&packed), expected);
    let found = entries(&packed);
    assert_eq!(found[0].3, "apiVersion: v2\ndependencies:\n- name: b\n  repository: \"\"\nname: tide\nversion: v1.0\n");
    assert_eq!(found[1].2, 1_577_934_245);
    assert_eq!(found[2].3, "# kept\na: 1\n");
    assert!(found.iter().all(|entry| entry.1 == 0o644));

    // The same bytes again, and the same chart from them.
    assert_eq!(chart.package().unwrap(), packed);
    let mut again = Chart::from_archive(&packed, &Limits::default()).unwrap();
    assert_eq!(again.package().unwrap(), packed);
    assert_eq!(Metadata::of_archive(&packed, &Limits::default()).unwrap(), *again.metadata());
}

#[test]
fn the_gzip_header_is_helms() {
    let packed = load(&[("c/Chart.yaml", &chart_yaml("tide"))]).package().unwrap();
    assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0x14, 0, 0, 0, 0, 0, 255]);
    let mut read = flate2::read::GzDecoder::new(&packed[..]);
    read.read_exact(&mut [0]).unwrap();
    let header = read.header().unwrap();
    assert_eq!((header.extra(), header.comment()), (Some(MARK), Some(&b"Helm"[..])));
}

#[test]
fn old_charts_have_their_dependencies_and_locks_beside_them() {
    let mut chart = load(&[
        ("c/Chart.yaml", "name: tide\nversion: 1\n"),
        ("c/requirements.yaml", "dependencies: [{name: a}]\n"),
        ("c/requirements.lock", "digest: d\n"),
    ]);
    let packed = chart.package().unwrap();
    assert_eq!(names(&packed), ["tide/Chart.yaml", "tide/requirements.lock", "tide/requirements.yaml"]);
    assert_eq!(entries(&packed)[0].3, "apiVersion: v1\nname: tide\nversion: \"1\"\n");
    assert_eq!(chart.metadata().dependencies.len(), 1);
}

#[test]
fn what_cannot_be_packaged_is_refused() {
    let refused = |mut chart: Chart| chart.package().unwrap_err().to_string();
    let sound = chart_yaml("tide");
    assert_eq!(
        refused(load(&[("c/Chart.yaml", &sound), ("c/values.schema.json", "{\"a\":")])),
        "chart package error: failed to package chart: invalid JSON in values.schema.json"
    );
    // Deep is not large: a schema of 100,000 brackets neither exhausts the stack nor passes for valid.
    assert!(
        refused(load(&[("c/Chart.yaml", &sound), ("c/values.schema.json", &"[".repeat(100_000))]))
            .ends_with("invalid JSON in values.schema.json")
    );
    let mut chart = load(&[("c/Chart.yaml", &sound)]);
    chart.set_version("x");
    assert_eq!(
        refused(chart),
        "chart package error: failed to package chart: chart validation: validation: chart.metadata.version \"x\" is invalid"
    );
    let mut chart = load(&[("c/Chart.yaml", &sound)]);
    chart.add(load(&[("c/Chart.yaml", &sound)]), "../x");
    assert_eq!(refused(chart), "chart package error: failed to package chart: \"../x\" is not a valid chart name");
}
