#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn fault(text: &str) -> (u64, String) {
    let fault = objects(text).unwrap_err();
    (fault.line, fault.reason)
}

fn names(text: &str) -> Vec<(u64, String)> {
    objects(text).unwrap().into_iter().map(|o| (o.line, o.key.to_string())).collect()
}

const ONE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[test]
fn each_document_is_known_by_its_line() {
    let text = format!("# first\n\n{ONE}---\n# nothing here\n---\n---\n\n{ONE}...\n---  # c\n{ONE}---\n");
    let at: Vec<u64> = names(&text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(at, [3, 11, 16]);
}

#[test]
fn nothing_holds_nothing() {
    for text in ["", "\n", "---\n", "# only this\n", "---\n---\n", "null\n"] {
        assert_eq!(objects(text), Ok(Vec::new()), "{text:?}");
    }
}

#[test]
fn errors_are_told_with_the_line_in_the_file() {
    assert_eq!(fault(&format!("{ONE}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a\n---\n")).0, 7);
    let (line, reason) = fault(&format!("{ONE}---\na: 1\nb: 1\na: 2\n"));
    assert_eq!(line, 7);
    assert!(reason.contains("duplicate") && !reason.contains("line"), "{reason}");
    assert_eq!(fault(&format!("{ONE}---\n\nkind: X\n")), (6, "apiVersion is missing or not a string".to_owned()));
    assert_eq!(fault(&format!("{ONE}---\napiVersion: v1\n")), (5, "kind is missing or not a string".to_owned()));
    assert_eq!(fault("apiVersion: v1\nkind: Pod\n"), (1, "Pod: metadata is missing".to_owned()));
    assert_eq!(
        fault("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x}\n"),
        (1, "Pod: metadata.name is missing or not a string".to_owned())
    );
    // To YAML as kubectl reads it this name is a boolean.
    assert_eq!(fault("apiVersion: v1\nkind: Pod\nmetadata: {name: n}\n").1, "Pod: metadata.name is missing or not a string");
    assert_eq!(fault("\njust text\n"), (2, "this is not a Kubernetes object".to_owned()));
    assert_eq!(fault("a:\n  - b\n c: d\n").0, 3);
    assert_eq!(fault("\ta: b\n").0, 1);
}

#[test]
fn values_of_a_file_are_not_in_the_reason() {
    for text in [
        "data: hunter2: x\n",
        "data: \"hunter2\n",
        "data: {a: hunter2\n",
        "a: hunter2\na: hunter2\n",
        "data: !!int hunter2\n",
        "data: {{a: hunter2}: b}\n",
        "~: hunter2\n",
        "--- hunter2\n",
        "{\"a\": \"hunter2\", \"a\": \"hunter2\"}",
        "{\"a\": \"hunter2\"} {} hunter2",
    ] {
        let (_, reason) = fault(text);
        assert!(!reason.contains("hunter2"), "{reason}");
    }
}

#[test]
fn plain_words_mean_what_they_mean_to_kubectl() {
    let text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n\
        v: [yes, off, on, y, 0755, 0o17, 0x1F, 1e3, 1.0, 1.5, 2001-01-01, 12:30:45, ~, \"yes\", 9007199254740993]\n\
        base: &b {x: 1, z: 1}\nmerged: {<<: *b, z: 2}\nlast: {z: 2, <<: *b}\nkeys: {y: 1, 0x10: 2, 1.0: 3}\n";
    let value = objects(text).unwrap().remove(0).value;
    let expected =
        json!([true, false, true, true, 493, 15, 31, 1000, 1, 1.5, "2001-01-01", "12:30:45", null, "yes", 9_007_199_254_740_993_u64]);
    assert_eq!(value["v"], expected);
    assert_eq!(value["merged"], json!({ "x": 1, "z": 2 }));
    assert_eq!(value["last"], json!({ "x": 1, "z": 1 }));
    assert_eq!(value["keys"], json!({ "true": 1, "16": 2, "1": 3 }));
}

#[test]
fn json_is_read_with_tabs_and_without_line_ends() {
    assert_eq!(
        names("{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"A\",\n\t\"metadata\": {\"name\": \"x\"}\n}\n"),
        [(1, "A default/x".to_owned())]
    );
    assert_eq!(
        names(r#"{"apiVersion":"v1","kind":"A","metadata":{"name":"x","namespace":"n"},"s":"\/\u0041"}"#),
        [(1, "A n/x".to_owned())]
    );
    assert_eq!(fault("{\"a\":1,\n\"a\":2}").0, 2);
}

#[test]
fn json_objects_follow_one_another_or_become_yaml() {
    let one = |name: &str| format!("{{\"apiVersion\":\"v1\",\"kind\":\"A\",\"metadata\":{{\"name\":\"{name}\"}}}}");
    let at = |text: &str| names(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    assert_eq!(at(&format!("{}{}\n\n{}\n", one("a"), one("b"), one("c"))), [1, 1, 3]);
    assert_eq!(at(&format!("\n{}\n---\n# YAML\n{ONE}", one("a"))), [2, 5]);
    assert_eq!(at(&format!("{}\n{ONE}", one("a"))), [1, 2]);
    assert_eq!(fault(&format!("{}\n{}\nx", one("a"), one("b"))), (3, "JSON is followed by something else".to_owned()));
    assert_eq!(fault(&format!("{}\n{{\"a\":{{\"b\":1,\n\"b\":2}}}}", one("a"))), (3, "duplicate key \"b\"".to_owned()));
    // YAML allows more.
    assert_eq!(at("{\"apiVersion\":\"v1\",\"kind\":\"A\",\"metadata\":{\"name\":\"a\",},}"), [1]);
    let value =
        objects(&one("a").replace('}', ",\"n\":[1.0,1.5,1e3,18446744073709551615],\"s\":\"\\ud83d\\ude00\"}")).unwrap().remove(0).value;
    assert_eq!(value["metadata"]["n"], json!([1, 1.5, 1000, u64::MAX]));
    assert_eq!(value["metadata"]["s"], "😀");
}

#[test]
fn documents_are_cut_as_kubectl_cuts_them() {
    assert_eq!(fault(&format!("{ONE}--- {{a: b}}\n")), (4, "more than a comment behind ---".to_owned()));
    // What stands behind an end without a new beginning is not looked at.
    assert_eq!(names(&format!("{ONE}...\n{ONE}")).len(), 1);
    assert_eq!(fault("%YAML 1.1\n---\na: b\n"), (1, "did not find expected <document start>".to_owned()));
    assert_eq!(names(&format!("\u{feff}{ONE}---\r\n{ONE}")).len(), 2);
    // Here a line that looks like one is text.
    let text = format!("{ONE}data:\n  a: |\n    ---\n    b\n");
    assert_eq!(objects(&text).unwrap()[0].value["data"]["a"], "---\nb\n");
}

#[test]
fn lists_are_taken_apart() {
    let text = "---\n\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, metadata: {name: a}}\n\
        - {apiVersion: v1, kind: BList, items: [{metadata: {name: b}}]}\n";
    assert_eq!(names(text), [(3, "A default/a".to_owned()), (3, "B default/b".to_owned())]);
    assert_eq!(names("{apiVersion: g/v1, kind: AllowList, metadata: {name: a}}"), [(1, "AllowList default/a".to_owned())]);
    assert_eq!(objects("{apiVersion: v1, kind: List, items: []}"), Ok(Vec::new()));
    assert_eq!(fault("{apiVersion: v1, kind: List, items: [{a: 1}]}").1, "apiVersion is missing or not a string");
    assert_eq!(fault("{apiVersion: v1, kind: List, items: [3]}").1, "this is not a Kubernetes object");
}

#[test]
fn bombs_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let refs = vec![format!("*a{}", n - 1); 10].join(", ");
        text = [text, format!("a{n}: &a{n} [{refs}]\n")].concat();
    }
    objects(&text).unwrap_err();
    objects(&"[".repeat(100_000)).unwrap_err();
    let many = "{apiVersion: v1, kind: A, metadata: {name: a}}\n---\n".repeat(MAX_OBJECTS + 1);
    objects(&many).unwrap_err();
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "[a:\\-{}\\[\\]\n \"'&*!|>#%\t,?]{0,60}") {
        let lines = text.lines().count() as u64 + 1;
        if let Err(fault) = objects(&text) {
            prop_assert!((1..=lines).contains(&fault.line), "{} of {lines}", fault.line);
        }
    }
}
