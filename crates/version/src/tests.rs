#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Range, Version, newest_tag};

#[test]
fn every_row_of_the_golden_table_agrees() {
    let table = include_str!("../tests/fixtures/semver-ranges.tsv");
    let mut misses = Vec::new();
    for row in table.lines() {
        let [range, version, wanted] = row.split('\t').collect::<Vec<_>>()[..] else { unreachable!("{row}") };
        let answer = match (Range::parse(range), Version::parse(version)) {
            (Err(_), _) => "bad-constraint",
            (_, Err(_)) => "bad-version",
            (Ok(range), Ok(version)) if range.matches(&version) => "true",
            _ => "false",
        };
        if answer != wanted {
            misses.push(format!("{row}: {answer}"));
        }
    }
    assert!(misses.is_empty(), "{} of {}:\n{}", misses.len(), table.lines().count(), misses.join("\n"));
}

#[test]
fn versions_are_ordered_by_precedence() {
    let ascending = [
        "1.0.0-0",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "v1",
        "1.0.1",
        "1.2",
        "1.10.0",
    ];
    let parsed: Vec<_> = ascending.iter().map(|v| Version::parse(v).unwrap()).collect();
    assert!(parsed.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(Version::parse("v1.0.0+a").unwrap(), Version::parse("01.0+b").unwrap());
}

#[test]
fn what_is_no_version_is_refused() {
    for text in [
        "",
        "v",
        "1.",
        ".1",
        "1.2.3.4",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3+",
        "1.2.3-a..b",
        "1.2.3-ä",
        "V1",
        " 1",
        "1.2.3\n",
        "+1",
        "18446744073709551616.0.0",
    ] {
        assert!(Version::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn what_is_no_range_is_refused() {
    for text in [">=1.0.0<2.0.0", "1,,2", "1,", ",1", "> = 1", "1 ||", "|| 1", "1.2.3.4", "1|2", "1x", ">=1.2 - 3", "1.2.3-", "==1"] {
        assert!(Range::parse(text).is_err(), "{text:?}");
    }
    assert_eq!(Range::parse("a b").unwrap_err().to_string(), "improper constraint: \"a b\"");
}

#[test]
fn versions_and_ranges_are_bounded() {
    let version = |length: usize| format!("1.0.0-{}", "a".repeat(length - 6));
    assert!(Version::parse(&version(256)).is_ok());
    assert_eq!(Version::parse(&version(257)).unwrap_err().to_string(), "version string is too long (max 256 bytes)");
    assert!(Range::parse(&vec!["1"; 32].join("||")).is_ok());
    assert_eq!(Range::parse(&vec!["1"; 33].join("||")).unwrap_err().to_string(), "too many constraint groups (max 32)");
    assert!(Range::parse(&format!(">=1{}", " ".repeat(509))).is_ok());
    assert_eq!(Range::parse(&" ".repeat(513)).unwrap_err().to_string(), "constraint string is too long (max 512 bytes)");
}

#[test]
fn the_newest_matching_tag_is_picked() {
    let range = Range::parse(">=1.0.0 <2.0.0").unwrap();
    let tags = ["v0.9.0", "v1.0.0", "1.1.0", "v1.2.0-rc.1", "v2.0.0", "not-a-version", "v1.01.0", "v1.9"];
    assert_eq!(newest_tag(tags, &range), Some("v1.01.0"));
    assert_eq!(newest_tag(["v2.0.0", "x"], &range), None);
    assert_eq!(newest_tag(["1.0.0+b", "1.0.0+a"], &range), Some("1.0.0+b"));
}
