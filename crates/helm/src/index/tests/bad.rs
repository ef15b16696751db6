//! Input that is wrong, hostile or very large.

use super::{LIMITS, accepted, numbered, refused, stored, versions};
use crate::index::{Error, Fault, Limits};

#[test]
fn what_is_no_index_is_refused_with_upstreams_words() {
    for (text, wanted) in [
        ("", "empty index.yaml file"),
        ("\n", "no API version specified"),
        ("# nothing\n", "no API version specified"),
        ("null", "no API version specified"),
        ("{}", "no API version specified"),
        ("entries: {}\n", "no API version specified"),
        ("apiVersion: null\n", "no API version specified"),
        ("plain text", "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type repo.IndexFile"),
        (
            "<!DOCTYPE html><html><body>Not found</body></html>\n",
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string",
        ),
        ("[]", "json: cannot unmarshal array into Go value of type repo.IndexFile"),
        ("- a\n", "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type repo.IndexFile"),
        ("apiVersion: v1\nfoo: bar\n", "error unmarshaling JSON: while decoding JSON: json: unknown field \"foo\""),
        ("apiVersion: v1\napiVersion: v1\n", "yaml: unmarshal errors:\n  line 2: key \"apiVersion\" already set in map"),
        ("apiVersion: v1\nentries: {a: [], a: []}\n", "line 2: key \"a\" already set in map"),
        // What is no YAML is told before what is no index.
        ("<html>\n<p>Sign in: please</p>\n", "error converting YAML to JSON: yaml: line 2: mapping values are not allowed in this context"),
        ("apiVersion: [v1", "error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'"),
        ("apiVersion: v1\nentries: []\n", "cannot unmarshal array"),
        ("apiVersion: v1\nentries: {a: {}}\n", "cannot unmarshal object"),
        ("apiVersion: v1\nentries: {a: [x]}\n", "cannot unmarshal string"),
        ("apiVersion: v1\nentries: {a: [{name: [x]}]}\n", "cannot unmarshal array"),
        ("apiVersion: v1\nentries: {a: [{deprecated: 1}]}\n", "cannot unmarshal number into Go value of type bool"),
        ("apiVersion: v1\nentries: {a: [{created: 2020-01-01}]}\n", "parsing time \"2020-01-01\""),
        ("apiVersion: v1\ngenerated: 5\n", "Time.UnmarshalJSON: input is not a JSON string"),
        ("apiVersion: v1\n? [a]\n: b\n", "invalid map key"),
        ("apiVersion: v1\n~: b\n", "unsupported map key"),
        ("apiVersion: v1\n<<: 1\n", "map merge requires map or sequence of maps as the value"),
        ("apiVersion: v1\nserverInfo: {a: .nan}\n", "json: unsupported value: NaN"),
        ("apiVersion: *x\n", "unknown anchor 'x' referenced"),
        ("apiVersion: v1\nserverInfo: &x {a: *x}\n", "anchor 'x' value contains itself"),
        ("apiVersion: v1\n\tentries: {}\n", "yaml: "),
        ("\u{1f}\u{8b}\u{8}", "control characters are not allowed"),
        ("{\"apiVersion\": \"v1\", \"generated\": \"2020-01-01T00:00:00\\u005a\"}", "parsing time"),
        ("{\"apiVersion\": \"v1\", \"entries\": 5}", "json: cannot unmarshal number"),
    ] {
        let message = refused(text);
        assert!(message.contains(wanted), "{text:?}: {message}");
    }
    assert!(refused(b"\x1f\x8b\x08\x00binary").contains("yaml: "));
    assert!(refused(b"apiVersion: v1\nfoo: \xff\xfe\n").contains("yaml: "));
}

#[test]
fn a_truncated_file_never_panics() {
    let whole = "apiVersion: v1\nentries:\n  a:\n  - name: \"\\u0061\\\n      \"\n    version: '1'\n    urls: [a, \"\\x41\"]\n    home: !!str |\n      x\n    icon: >-\n      folded";
    for end in 0..whole.len() {
        let _ = stored(&whole[..end], &LIMITS);
    }
    for fault in ["[!foo,b]", "\"\\", "\"\\x4", "|", "|2\n   ", "!<", "!%", "&", "*", "%"] {
        let _ = stored(format!("apiVersion: {fault}"), &LIMITS);
    }
}

#[test]
fn invalid_versions_are_dropped_beside_good_ones() {
    let good = "{name: a, version: 1.0.0}";
    for bad in [
        "{name: a, version: x}",
        "{name: a, version: ''}",
        "{name: a}",
        "{version: 1.0.0}",
        "{}",
        "{name: a/b, version: 1.0.0}",
        "{name: '..', version: 1.0.0}",
        "{name: \"\\u200b\", version: 1.0.0}",
        "{name: a, version: '1.0.0 '}",
        "{name: a, version: 1.0.0, type: other}",
        "{name: a, version: 1.0.0, maintainers: [null]}",
        "{name: a, version: 1.0.0, dependencies: [null]}",
        "{name: a, version: 1.0.0, dependencies: [{name: d, alias: 'a b'}]}",
        "null",
    ] {
        let out = versions(&format!("[{bad}, {good}, {bad}]"));
        assert_eq!(out.matches(r#""name": "a""#).count(), 1, "{bad}: {out}");
        assert!(!out.contains("[null") && !out.contains("},null"), "{bad}: {out}");
    }
    let long = format!("1.0.0-{}", "a".repeat(250));
    assert_eq!(versions(&format!("[{{name: a, version: {}}}]", &long[..256])).matches("name").count(), 1);
    assert_eq!(versions(&format!("[{{name: a, version: {long}a}}]")), "[]");
}

#[test]
fn odd_versions_are_kept_as_upstream_keeps_them() {
    assert_eq!(versions("null"), "null");
    assert_eq!(versions("[]"), "[]");
    assert_eq!(versions("[null]"), "[null]");
    assert_eq!(versions("[{}]"), "[]");
    assert!(versions("[{name: other, version: 1.0.0}]").contains(r#""name": "other""#));
    assert!(versions("[{name: /, version: 1.0.0}]").contains(r#""name": "/""#));
    // After a name that is taken nothing is checked.
    let twice = "[{name: a, version: 1.0.0, dependencies: [{name: d}, {name: d}, null, {name: \"\\t\"}]}]";
    assert!(versions(twice).contains(r#"{"name": "d","repository": ""},null,{"name": "\t","repository": ""}"#));
}

#[test]
fn aliases_that_explode_are_refused() {
    let level = |level: usize| format!("  a{}: &a{} [{}]\n", level + 1, level + 1, vec![format!("*a{level}"); 10].join(", "));
    let bomb = format!("serverInfo:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{}", numbered(9, level));
    assert_eq!(refused(&bomb), "error converting YAML to JSON: yaml: document contains excessive aliasing");
    // Few nodes, much text.
    let long = format!("serverInfo:\n  a: &a {}\n  b: [{}]\n", "x".repeat(100_000), ["*a"; 300].join(", "));
    let small = Limits::of_file(1_000_000);
    assert!(matches!(stored(long, &small), Err(Error::Decode(Fault::Yaml(_)))));
    // Charts whose versions all are the same ones.
    let versions = "{name: a, version: 1.0.0}, ".repeat(1000);
    let charts = numbered(3000, |i| format!("  c{i}: *v\n"));
    assert!(refused(format!("apiVersion: v1\nentries:\n  a: &v [{versions}]\n{charts}")).contains("excessive aliasing"));
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("{\"a\":", "}")] {
        let deep = |n: usize| format!("serverInfo: {{a: {}x{}}}\napiVersion: v1\n", open.repeat(n), close.repeat(n));
        assert!(stored(deep(100_000), &LIMITS).is_err(), "{open}");
    }
    let json = |n: usize| format!("{{\"apiVersion\": \"v1\", \"serverInfo\": {{\"a\": {}{}}}}}", "[".repeat(n), "]".repeat(n));
    assert!(accepted(json(90)).contains("[]"));
    assert!(matches!(stored(json(200), &LIMITS), Err(Error::Decode(Fault::TooDeep { limit: 100 }))));
    assert!(stored(json(1_000_000), &LIMITS).is_err());
}

#[test]
fn limits_hold() {
    let versions = "{name: a, version: 1.0.0}, ".repeat(10);
    let index = format!("apiVersion: v1\nentries: {{a: [{versions}]}}\n");
    let limits = |file, versions| Limits { file, versions, ..LIMITS };
    assert!(stored(&index, &limits(index.len() as u64, 10)).is_ok());
    assert!(matches!(stored(&index, &limits(index.len() as u64, 9)), Err(Error::Decode(Fault::TooManyVersions { limit: 9 }))));
    let error = stored(&index, &limits(index.len() as u64 - 1, 10)).unwrap_err().to_string();
    assert!(error.ends_with(&format!(" exceeds the maximum index file size of {} bytes", index.len() - 1)), "{error}");
    assert!(matches!(super::normalise(std::path::Path::new("/"), &mut Vec::new(), &LIMITS), Err(Error::NotAFile { .. })));
    assert!(matches!(super::normalise(std::path::Path::new("/nowhere"), &mut Vec::new(), &LIMITS), Err(Error::Io(_))));
}

#[test]
fn what_must_be_held_is_bounded() {
    let keys = |indent: &str| numbered(100_001, |i| format!("{indent}k{i}: v\n"));
    for index in [
        format!("annotations:\n{}apiVersion: v1\n", keys("  ")),
        format!("entries:\n  a:\n  - annotations:\n{}apiVersion: v1\n", keys("      ")),
        format!("entries:\n  a:\n  - urls: [{}]\n", "a,".repeat(100_001)),
        format!("{{\"serverInfo\": {{\"a\": [{}0]}}}}", "0,".repeat(100_001)),
    ] {
        assert!(matches!(stored(index, &LIMITS), Err(Error::Decode(Fault::TooManyValues { limit: 100_000 }))));
    }
    // Versions and charts have a limit of their own.
    let charts = numbered(100_010, |i| format!("  c{i}: [null]\n"));
    let index = format!("apiVersion: v1\nentries:\n{charts}  a: [{}]\n", "null,".repeat(100_010));
    assert_eq!(stored(&index, &LIMITS).unwrap().1.charts, 100_011);
    assert!(matches!(stored(&index, &Limits { versions: 100_000, ..LIMITS }), Err(Error::Decode(Fault::TooManyVersions { .. }))));
    // Everything is anchored.
    let anchored = format!("&a\nentries:\n  a:\n{}", "  - {}\n".repeat(500_000));
    assert_eq!(refused(anchored), "error converting YAML to JSON: yaml: document contains excessive aliasing");
}

#[test]
fn very_long_lines_are_read() {
    let long = "x".repeat(3_000_000);
    assert!(versions(&format!("[{{name: a, version: 1.0.0, description: {long}}}]")).contains(&long));
    assert!(accepted(format!("{{\"apiVersion\": \"{long}\"}}")).contains(&long));
}

#[test]
fn more_versions_than_allowed_are_refused_early() {
    let index = format!("apiVersion: v1\nentries:\n  a:\n{}", "  - {}\n".repeat(1_000_001));
    assert!(matches!(stored(index, &LIMITS), Err(Error::Decode(Fault::TooManyVersions { limit: 1_000_000 }))));
}
