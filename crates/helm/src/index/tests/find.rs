//! Finding versions.

use std::io::Write as _;

use super::LIMITS;
use crate::index::{Index, NotFound};

fn index(text: &str) -> Index {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Index::load(file.path(), &LIMITS).unwrap()
}

#[test]
fn versions_are_found_as_upstream_finds_them() {
    let index = index(
        "apiVersion: v1
entries:
  app:
  - {name: app, version: 1.2.3, urls: [a, b], digest: d, created: '2020-01-01T00:00:00+01:00'}
  - {name: app, version: 1.10.0}
  - {name: app, version: 2.0.0-rc.1}
  - {name: app, version: v1.3.0}
  - {name: app, version: '3'}
  - {name: app, version: 1.4.0+old, created: '2020-01-01T00:00:00Z'}
  - {name: app, version: 1.4.0+new, created: '2020-06-01T00:00:00Z'}
  - {name: app, version: 1.4.0+mid, created: '2020-03-01T00:00:00Z'}
  same:
  - {name: same, version: 1.0.0+a}
  - {name: same, version: 1.0.0+b}
  renamed:
  - {name: name, version: 0.1.0}
  short:
  - {name: short, version: '1'}
  empty: []
  nil: null
  null-entry: [null]
",
    );
    assert_eq!(index.len(), 13);
    for (chart, range, wanted) in [
        ("app", "", "1.10.0"),
        ("app", "*", "1.10.0"),
        ("app", "1.2.3", "1.2.3"),
        ("app", "v1.2.3", "1.2.3"),
        ("app", "1.3.0", "v1.3.0"),
        ("app", "3", "3"),
        ("app", "~1.3", "v1.3.0"),
        ("app", "1.4.x", "1.4.0+new"),
        ("app", "1.4.0+mid", "1.4.0+mid"),
        ("app", "1.4.0+other", "1.4.0+new"),
        ("app", ">=2.0.0-0", "2.0.0-rc.1"),
        ("same", "1.x", "1.0.0+b"),
        ("renamed", "", "0.1.0"),
    ] {
        assert_eq!(index.find(chart, range).map(|v| v.version), Ok(wanted), "{chart} {range}");
    }
    let found = index.find("app", "1.2.3").unwrap();
    assert_eq!((found.name, found.digest, found.created), ("app", "d", "2020-01-01T00:00:00+01:00"));
    assert_eq!(found.urls, ["a", "b"]);
    assert_eq!(index.find("renamed", "").unwrap().name, "name");
    for (chart, range, wanted) in [
        ("missing", "1.x", "no chart name found"),
        ("empty", "1.x", "no chart version found"),
        ("nil", "", "no chart version found"),
        ("null-entry", "", "no 'null-entry' chart with version matching '' found"),
        ("app", ">=4", "no 'app' chart with version matching '>=4' found"),
        // A version that is not written out matches no range.
        ("short", "", "no 'short' chart with version matching '' found"),
        ("app", "a b", "improper constraint: \"a b\""),
    ] {
        assert_eq!(index.find(chart, range).unwrap_err().to_string(), wanted, "{chart} {range}");
    }
    assert_eq!(index.find("empty", "nonsense"), Err(NotFound::Versions));
}

#[test]
fn what_was_stored_is_found_again() {
    let text = "apiVersion: v1\nentries:\n  a: [{name: a, version: 1.0.0, urls: [\"é\\u2028<&>\\n\"]}]\n";
    let stored = super::accepted(text);
    assert_eq!(index(text).find("a", "*"), index(&stored).find("a", "*"));
    assert_eq!(index(&stored).find("a", "*").unwrap().urls, ["é\u{2028}<&>\n"]);
    assert!(!index(&stored).is_empty() && index("apiVersion: v1\n").is_empty());
}
