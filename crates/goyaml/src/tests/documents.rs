//! Several documents, exact numbers, and what is told of faults.

use serde_json::{Value, json};

use super::LIMITS;
use crate::{Error, Limits, parse_exact, parse_strict, strict_documents};

/// A line and what is there.
type Placed<T> = (usize, T);

/// The documents of a text, and the outline of the fault behind them.
fn read(text: &str) -> (Vec<Placed<Value>>, Option<Placed<String>>) {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for document in strict_documents(text.as_bytes(), LIMITS) {
        match document {
            Ok(document) => found.push((document.line, document.value)),
            Err(fault) => faults.push((fault.line, fault.error.outline())),
        }
    }
    assert!(faults.len() < 2);
    (found, faults.pop())
}

fn fault(text: &str) -> Placed<String> {
    read(text).1.unwrap()
}

#[test]
fn numbers_are_those_of_json() {
    let text = "[1.0, 1e3, 1.5, 0x10, 9007199254740993, 18446744073709551615, 1e19, 1e21]";
    let expected = json!([1, 1000, 1.5, 16, 9_007_199_254_740_993_u64, u64::MAX, 10_000_000_000_000_000_000_u64, 1e21]);
    assert_eq!(parse_exact(text.as_bytes(), LIMITS).unwrap(), expected);
    assert_eq!(parse_exact(b"{a: 1, a: 2}", LIMITS).unwrap(), json!({"a": 2}));
}

#[test]
fn a_strict_reading_tells_every_repeated_key() {
    let Err(Error::Repeated(keys)) = parse_strict(b"a: 1\nb: 1\na: 2\nb:\n  - 1\n", LIMITS) else { unreachable!("it was accepted") };
    let told: Vec<String> = keys.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["line 3: key \"a\" already set in map", "line 5: key \"b\" already set in map"]);
    assert!(parse_strict(b"{<<: {a: 1}, a: 2}", LIMITS).is_err());
}

#[test]
fn documents_come_with_their_lines_in_the_text() {
    let text = "# one\n\na: 1\n---\n# nothing\n---  # c\n\n- <<: {b: 1}\n  b: 2.0\n...\nleft: out\n---\n";
    assert_eq!(read(text), (vec![(3, json!({"a": 1})), (5, Value::Null), (8, json!([{"b": 2}]))], None));
    assert_eq!(read(""), (vec![], None));
    assert_eq!(read("a: 1\n---\nb: [\n---\nc: 1").0, [(1, json!({"a": 1}))], "nothing comes behind a fault");
}

#[test]
fn faults_come_with_their_lines_in_the_text() {
    let cases = [
        ("a: b: c\n", 4, "mapping values are not allowed in this context"),
        ("\na:\n  - b\n c: d\n", 7, "did not find expected key"),
        ("a: [b\n", 4, "did not find expected ',' or ']'"),
        ("\n\n--- x\n", 6, "more than a comment behind ---"),
        ("a:\n  b: 1\n  b: secret\n", 6, "duplicate key \"b\""),
        ("a: 1\n~: secret\n", 5, "a key is null"),
        ("a: 1\n18446744073709551615: secret\n", 5, "a key is a number above 9223372036854775807"),
        ("a:\n- !!int secret\n", 5, "a value is not of the type of its tag"),
        ("a:\n- b: {{ secret }}\n", 5, "a key is a list or a map"),
        ("a:\n- .inf\n", 5, "json: unsupported value: +Inf"),
        ("a:\n- *b\n", 5, "unknown anchor 'b' referenced"),
        ("a:\n- &b [*b]\n", 5, "anchor 'b' value contains itself"),
        ("a: 1\n<<: secret\n", 5, "map merge requires map or sequence of maps as the value"),
        ("a: 1\n# \u{7}\n", 5, "control characters are not allowed"),
    ];
    for (text, line, outline) in cases {
        assert_eq!(fault(&format!("x: 1\n\n---\n{text}")), (line, outline.to_owned()), "{text}");
    }
}

#[test]
fn limits_hold_for_all_documents_together() {
    let count = |limits| strict_documents(b"a: 1\n---\nb: 2\n---\nc: 3\n", limits).flatten().count();
    assert_eq!(count(LIMITS), 3);
    assert_eq!(count(Limits { nodes: 4, ..LIMITS }), 1);
    assert_eq!(count(Limits { bytes: 10, ..LIMITS }), 0);
    let fault = strict_documents(b"abc", Limits { bytes: 2, ..LIMITS }).next().unwrap().unwrap_err();
    assert_eq!(fault.to_string(), "line 1: document is larger than 2 bytes");
}
