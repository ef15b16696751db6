//! Versions and what is wanted of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn tags_become_versions_newest_first() {
    let tags = [
        "0.1.0",
        "latest",
        "1.10.0",
        "v2.0.0",
        "1.9.0_build.5",
        "1.9.0-rc.1",
        "1.2",
        "01.2.3",
        "1.2.3-01",
        "1.9.0",
        "sha256-ab",
        "1.2.3_a_b",
        "",
    ];
    assert_eq!(sorted(&strings(&tags)), ["1.10.0", "1.9.0+build.5", "1.9.0", "1.9.0-rc.1", "0.1.0"]);
}

#[test]
fn the_newest_version_in_a_range_is_found() {
    let versions = sorted(&strings(&["0.1.0", "0.1.1", "0.2.0", "0.2.1-rc.1", "1.0.0", "1.1.0-rc.1", "1.0.0_x"]));
    for (wanted, newest) in [
        ("", "1.0.0"),
        ("*", "1.0.0"),
        ("0.1.x", "0.1.1"),
        (">0.1.0 <1.0.0", "0.2.0"),
        (">=0.2.0-0", "1.1.0-rc.1"),
        ("~0.1", "0.1.1"),
        ("1.0.0+x", "1.0.0+x"),
        ("0.2.1-rc.1", "0.2.1-rc.1"),
    ] {
        assert_eq!(find(&versions, wanted).unwrap(), newest, "{wanted}");
    }
    let refused = |wanted: &str| find(&versions, wanted).unwrap_err().to_string();
    assert_eq!(refused(">=2.0.0"), "could not locate a version matching provided version string >=2.0.0");
    assert_eq!(refused("latest"), "improper constraint: \"latest\"");
    assert_eq!(find(&[], "").unwrap_err().to_string(), "could not locate a version matching provided version string ");
}

#[test]
fn one_version_needs_no_list() {
    for concrete in ["1.2.3", "v1.2.3", "1.2.3-rc.1+b", "2025.02.03"] {
        assert!(is_concrete(concrete), "{concrete}");
    }
    for range in ["", "*", "1.2", "1.x", ">=1.2.3", "1.2.x", "latest"] {
        assert!(!is_concrete(range), "{range}");
    }
}
