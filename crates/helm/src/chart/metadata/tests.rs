#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::Limits;
use super::*;

/// A `Chart.yaml` with what is required.
const SOUND: &str = "apiVersion: v2\nname: tide\nversion: 1.0.0\n";

fn read(text: &str) -> Result<Metadata, String> {
    Metadata::parse(text.as_bytes(), Limits::default().yaml).map_err(|problem| problem.to_string())
}

fn checked(text: &str) -> Result<Metadata, String> {
    let mut metadata = read(text)?;
    metadata.validate().map_err(|problem| problem.to_string())?;
    Ok(metadata)
}

#[test]
fn bare_numbers_and_booleans_become_text() {
    let metadata = checked(
        "name: tide\nversion: 1.10\nhome: 1_000\nicon: 0o14\nappVersion: 2024-01-01\nkubeVersion: 0x10\nsources: [1, 2.0, yes, null]\n\
         annotations: {a: 123456789.0, b: 1.23456789, c: null, d: 18446744073709551615, e: 20240101123456789, f: 1234567.0, g: 4011180.25}\n",
    )
    .unwrap();
    assert_eq!((metadata.version.as_str(), metadata.home.as_str(), metadata.icon.as_str()), ("1.1", "1000", "12"));
    assert_eq!((metadata.app_version.as_str(), metadata.kube_version.as_str()), ("2024-01-01", "16"));
    assert_eq!(metadata.sources, ["1", "2", "true", ""]);
    let annotations: Vec<_> = metadata.annotations.values().map(String::as_str).collect();
    assert_eq!(
        annotations,
        ["1.2345679e+08", "1.2345679", "", "18446744073709551615", "20240101123456789", "1.234567e+06", "4.0111802e+06"]
    );
    assert_eq!(metadata.api_version, V1);
}

#[test]
fn wrong_types_are_named_as_go_names_them() {
    for (field, problem) in [
        ("description: [a]", "array into Go struct field Metadata.description of type string"),
        ("description: {a: b}", "object into Go struct field Metadata.description of type string"),
        ("deprecated: \"true\"", "string into Go struct field Metadata.deprecated of type bool"),
        ("annotations: [x]", "array into Go struct field Metadata.annotations of type map[string]string"),
        ("annotations: {a: [x]}", "array into Go struct field Metadata.annotations of type string"),
        ("dependencies: x", "string into Go struct field Metadata.dependencies of type []*v2.Dependency"),
        ("dependencies: [1]", "number into Go struct field Metadata.dependencies of type v2.Dependency"),
        ("dependencies: [{name: [x]}]", "array into Go struct field Dependency.dependencies.name of type string"),
        ("dependencies: [{tags: [[1]]}]", "array into Go struct field Dependency.dependencies.tags of type string"),
        ("maintainers: [{email: [1]}]", "array into Go struct field Maintainer.maintainers.email of type string"),
    ] {
        let expected = format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {problem}");
        assert_eq!(read(&format!("{SOUND}{field}\n")), Err(expected), "{field}");
    }
    for (text, kind) in [("[a]", "array"), ("tide", "string"), ("5", "number")] {
        let expected =
            format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type v2.Metadata");
        assert_eq!(read(text), Err(expected));
    }
}

#[test]
fn keys_match_in_any_case_and_exact_ones_win() {
    let metadata = checked("NAME: other\nname: tide\nVersion: 1.0.0\nAppVersion: \"7\"\n").unwrap();
    assert_eq!((metadata.name.as_str(), metadata.version.as_str(), metadata.app_version.as_str()), ("tide", "1.0.0", "7"));
}

#[test]
fn a_second_document_fills_lists_in_place() {
    let mut metadata = read(&format!("{SOUND}dependencies: [{{name: a, alias: x, version: 1}}, {{name: c}}]\n")).unwrap();
    metadata.read(b"dependencies: [{name: b}]\n", Limits::default().yaml).unwrap();
    let [Some(dependency)] = metadata.dependencies.as_slice() else { unreachable!("one dependency") };
    assert_eq!((dependency.name.as_str(), dependency.alias.as_str(), dependency.version.as_str()), ("b", "x", "1"));
}

#[test]
fn what_is_invalid_is_said_as_helm_says_it() {
    for (text, problem) in [
        ("", "chart.metadata.name is required"),
        ("name: .\nversion: 1", "chart.metadata.name \".\" is not allowed"),
        ("name: ..\nversion: 1", "chart.metadata.name \"..\" is not allowed"),
        ("name: ../x\nversion: 1", "chart.metadata.name \"../x\" is invalid"),
        ("name: 'a\"b/c'\nversion: 1", "chart.metadata.name \"a\\\"b/c\" is invalid"),
        ("name: tide", "chart.metadata.version is required"),
        ("name: tide\nversion: \"1\\n\"", "chart.metadata.version \"1\\n\" is invalid"),
        ("name: tide\nversion: 1\ntype: ship", "chart.metadata.type must be application or library"),
        ("name: tide\nversion: 1\nmaintainers: [null]", "maintainers must not contain empty or null nodes"),
        ("name: tide\nversion: 1\ndependencies: [null]", "dependencies must not contain empty or null nodes"),
        ("name: tide\nversion: 1\ndependencies: [{name: a, alias: ../b}]", "dependency \"a\" has disallowed characters in the alias"),
        ("name: tide\nversion: 1\ndependencies: [{name: a}, {name: b, alias: a}]", "more than one dependency with name or alias \"a\""),
    ] {
        assert_eq!(checked(text), Err(format!("validation: {problem}")), "{text}");
    }
}

#[test]
fn texts_are_put_on_one_line() {
    let metadata = checked("name: \"a\\u200bb\\u00a0c\"\nversion: \"1\"\ndescription: \"x\\ty\\u0007\"\n").unwrap();
    assert_eq!((metadata.name.as_str(), metadata.description.as_str()), ("ab c", "x y"));
}

#[test]
fn documents_are_printed_without_what_is_empty() {
    let metadata = checked(
        "apiVersion: v2\nname: tide\nversion: v1.0\nunknown: x\nkeywords: []\ndeprecated: false\nmaintainers: [{name: m, url: 5}]\n\
         dependencies: [{name: s, import-values: [{child: a}, 1.0, 12345678901234567890]}]\nannotations: {a10: 1, a2: 2}\n",
    );
    assert_eq!(
        metadata.unwrap().print().unwrap(),
        "annotations:\n  a2: \"2\"\n  a10: \"1\"\napiVersion: v2\ndependencies:\n- import-values:\n  - child: a\n  - 1\n  - 12345678901234567000\n  \
         name: s\n  repository: \"\"\nmaintainers:\n- name: m\n  url: \"5\"\nname: tide\nversion: v1.0\n"
    );
}
