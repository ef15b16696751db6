#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::custom;

/// Objects, and the tables that a kube-apiserver made of them.
const RECORDED: &str = include_str!("../../tests/fixtures/tables.json");
const GIT_REPOSITORY: &str = include_str!("../../../../config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml");

fn kinds(recorded: &Value) -> Vec<Kind> {
    let mut kinds = builtin::kinds();
    let ours: Value = serde_saphyr::from_str(GIT_REPOSITORY).unwrap();
    for crd in recorded["crds"].as_array().unwrap().iter().chain([&ours]) {
        kinds.extend(custom::kinds(crd).unwrap());
    }
    kinds
}

#[test]
fn tables_are_those_of_a_real_server() {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let kinds = kinds(&recorded);
    let tables = recorded["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 10);
    for case in tables {
        let kind = kinds.iter().find(|kind| kind.kind == case["kind"]).unwrap();
        let objects = case["objects"]["items"].as_array().cloned().unwrap_or_else(|| vec![case["objects"].clone()]);
        let now = case["now"].as_str().unwrap().parse().unwrap();
        let made = table(kind, &objects, case["table"]["metadata"].clone(), Include::Metadata, now);
        for (ours, theirs) in made["rows"].as_array().unwrap().iter().zip(case["table"]["rows"].as_array().unwrap()) {
            assert_eq!(ours, theirs, "{}", kind.kind);
        }
        assert_eq!(made, case["table"], "{}", kind.kind);
    }
}

#[test]
fn rows_have_as_much_of_their_object_as_asked() {
    let kind = &builtin::kinds()[1];
    let object = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "dg=="}});
    let row = |include: &str| {
        let include = Include::parse(include).unwrap();
        table(kind, std::slice::from_ref(&object), json!({}), include, Utc::now())["rows"][0]["object"].clone()
    };
    assert_eq!(row("None"), Value::Null);
    assert_eq!(row("Object"), object);
    assert_eq!(row(""), json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}}));
    assert!(Include::parse("Bogus").unwrap_err().ends_with("Invalid value: \"Bogus\": must be 'Metadata', 'Object', 'None', or empty"));
}

#[test]
fn ages_have_few_digits() {
    let day = 86_400;
    let cases = [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (123, "2m3s"),
        (599, "9m59s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (3 * 3600 + 240, "3h4m"),
        (8 * 3600 + 240, "8h"),
        (2 * day - 1, "47h"),
        (2 * day, "2d"),
        (5 * day + 3600, "5d1h"),
        (8 * day + 3600, "8d"),
        (730 * day, "2y"),
        (731 * day, "2y1d"),
        (9 * 365 * day, "9y"),
    ];
    for (seconds, said) in cases {
        assert_eq!(age::human(seconds), said);
    }
    let now = "2026-01-01T00:00:00.5Z".parse().unwrap();
    for (time, said) in [("2026-01-01T00:00:01Z", "0s"), ("2026-01-01T00:00:05Z", "<invalid>"), ("x", "<invalid>"), ("", "<unknown>")] {
        assert_eq!(age::of(&json!(time), now), said, "{time}");
    }
}

#[test]
fn paths_are_understood() {
    let object = json!({"a-b": {"c.d": [1, {"e]": 2, "s": "x]y"}]}, "é": 3});
    let cases = [
        (".a-b.c\\.d[0]", json!(1)),
        (".a-b['c.d'][1]['e]']", json!(2)),
        ("..s", json!("x]y")),
        (".a-b.c\\.d[?(@.s==\"x]y\")].s", json!("x]y")),
        (".é", json!(3)),
        (".a-b.*[0]", json!(1)),
    ];
    for (path, value) in cases {
        assert_eq!(path::Path::parse(path).unwrap().first(&object), Some(&value), "{path}");
    }
    for nowhere in [".b", ".a-b.c\\.d[7]", ".a-b.c\\.d[0].x"] {
        assert!(path::Path::parse(nowhere).unwrap().first(&object).is_none(), "{nowhere}");
    }
    assert!(path::Path::parse(".a[").is_none());
    let nested = json!({"a": "\u{2028}<\u{2029}", "b": 1.0});
    assert_eq!(path::show(&nested, "string", Utc::now()), r#"{"a":"\u2028\u003c\u2029","b":1}"#);
}
