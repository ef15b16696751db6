#![expect(clippy::unwrap_used, reason = "tests")]

mod documents;
mod replay;
mod stream;

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 100, nodes: 100_000 };

fn read(text: &str) -> Value {
    parse(text.as_bytes(), LIMITS).unwrap()
}

fn refusal(text: &str) -> String {
    parse(text.as_bytes(), LIMITS).unwrap_err().to_string()
}

fn written(value: &Value) -> String {
    print(value).unwrap()
}

#[test]
fn words_mean_what_yaml_1_1_says() {
    for word in ["y", "Yes", "on", "TRUE"] {
        assert_eq!(resolve(word), Scalar::Bool(true), "{word}");
    }
    for word in ["n", "No", "OFF", "false"] {
        assert_eq!(resolve(word), Scalar::Bool(false), "{word}");
    }
    for word in ["", "~", "null", "Null", "NULL"] {
        assert_eq!(resolve(word), Scalar::Null, "{word}");
    }
    for text in ["yES", "nULL", "<<", "2001-12-14", "12:30:45", "0x", "0o8", "1e", "._5", ".1_", "1.2.3", "1e400", "{{ x }}", "-", "+"] {
        assert_eq!(resolve(text), Scalar::Text(text.to_owned()));
    }
}

#[test]
fn numbers_have_go_s_forms() {
    let whole = [("0", 0), ("-0", 0), ("017", 15), ("0o17", 15), ("0x1F", 31), ("-0b11", -3), ("0b-1", -1), ("+1_000", 1000), ("00", 0)];
    for (text, number) in whole {
        assert_eq!(resolve(text), Scalar::Int(number), "{text}");
    }
    assert_eq!(resolve("9223372036854775808"), Scalar::Uint(1 << 63));
    let floats =
        [("08", 8.0), ("1.", 1.0), (".5", 0.5), ("+.5", 0.5), ("1e3", 1000.0), (".1_0", 0.1), ("-9223372036854775809", -(2f64.powi(63)))];
    for (text, number) in floats {
        assert_eq!(resolve(text), Scalar::Float(number), "{text}");
    }
    assert_eq!(resolve("-.Inf"), Scalar::Float(f64::NEG_INFINITY));
}

#[test]
fn tags_decide_or_refuse() {
    assert_eq!(read("[!!str 1, !!float 1, !!int \"2\", !!binary aGk=, !x 1, ! 1]"), json!(["1", 1, 2, "hi", "1", "1"]));
    assert!(refusal("!!int x").ends_with("yaml: cannot decode !!str `x` as a !!int"));
    assert!(refusal("!!binary x").ends_with("!!binary value contains invalid base64 data"));
    // A comma belongs to the tag.
    assert_eq!(read("[!!str, 1]"), json!(["1"]));
}

#[test]
fn numbers_go_through_floats() {
    assert_eq!(read("12345678901234567890"), json!(12_345_678_901_234_567_000_u64));
    assert_eq!(read("1.0").to_string(), "1");
    assert_eq!(parse_typed(b"12345678901234567890", LIMITS).unwrap(), json!(12_345_678_901_234_567_890_u64));
    assert_eq!(parse_typed(b"1.0", LIMITS).unwrap().to_string(), "1.0");
}

#[test]
fn keys_become_strings() {
    let value = read("1: a\n0x10: b\n1.50: c\nyes: d\n1e6: e\n.inf: f\n");
    assert_eq!(value, json!({"1": "a", "16": "b", "1.5": "c", "true": "d", "1e+06": "e", ".inf": "f"}));
    assert_eq!(refusal("a: {~: 1}"), "error converting YAML to JSON: unsupported map key of type: %!s(<nil>), key: <nil>, value: 1");
    assert_eq!(
        refusal("a: {{ .Values.x }}"),
        r#"error converting YAML to JSON: yaml: invalid map key: map[interface {}]interface {}{".Values.x":interface {}(nil)}"#
    );
}

#[test]
fn the_last_of_equal_keys_counts_unless_strict() {
    assert_eq!(read("a: 1\na: 2\n"), json!({"a": 2}));
    assert_eq!(
        parse_strict(b"a: 1\na: 2\n", LIMITS).unwrap_err().to_string(),
        "error converting YAML to JSON: yaml: unmarshal errors:\n  line 2: key \"a\" already set in map"
    );
    assert_eq!(
        parse_strict(b"\"\\x01\\u200b\": 1\n\"\\x01\\u200b\": 2", LIMITS).unwrap_err().to_string(),
        "error converting YAML to JSON: yaml: unmarshal errors:\n  line 2: key \"\\x01\\u200b\" already set in map"
    );
}

#[test]
fn aliases_and_merges_are_expanded() {
    let text = "base: &b {x: 1, z: 2}\none: {<<: *b, z: 3}\ntwo:\n  z: 3\n  <<: *b\nthree: {<<: [{x: 9}, *b]}\nfour: {'<<': *b}\n";
    let value = read(text);
    assert_eq!(value["one"], json!({"x": 1, "z": 3}));
    // Upstream lets a merge win over keys before it.
    assert_eq!(value["two"], json!({"x": 1, "z": 2}));
    assert_eq!(value["three"], json!({"x": 9, "z": 2}));
    assert_eq!(value["four"], json!({"<<": {"x": 1, "z": 2}}));
    assert!(refusal("<<: 1").ends_with("yaml: map merge requires map or sequence of maps as the value"));
    assert!(refusal("a: *b").ends_with("yaml: unknown anchor 'b' referenced"));
    assert!(refusal("a: &a [*a]").ends_with("yaml: anchor 'a' value contains itself"));
}

#[test]
fn bombs_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        writeln!(text, "a{level}: &a{level} [{alias}]").unwrap();
    }
    let wide = Limits { nodes: usize::MAX, ..LIMITS };
    assert!(parse(text.as_bytes(), wide).unwrap_err().to_string().ends_with("yaml: document contains excessive aliasing"));
    assert_eq!(parse(text.as_bytes(), Limits { nodes: 500, ..LIMITS }), Err(Error::TooMany(500)));
    assert_eq!(parse("[".repeat(100_000).as_bytes(), LIMITS), Err(Error::TooDeep(100)));
    assert_eq!(parse("- ".repeat(100_000).as_bytes(), LIMITS), Err(Error::TooDeep(100)));
    let deep = Limits { depth: usize::MAX, ..LIMITS };
    assert_eq!(parse("{a: ".repeat(100_000).as_bytes(), deep), Err(Error::TooDeep(200)));
    assert!(parse(format!("{}{}", "[".repeat(200), "]".repeat(200)).as_bytes(), deep).is_ok());
    assert_eq!(parse(b"abc", Limits { bytes: 2, ..LIMITS }), Err(Error::TooLarge(2)));
}

#[test]
fn scalars_over_lines() {
    assert_eq!(read("a: one\n  two\n\n  three\n"), json!({"a": "one two\nthree"}));
    assert_eq!(read("'it''s\n\n  so'"), json!("it's\nso"));
    assert_eq!(read("\"a \\\n  b\\x41\\u00e9\\\n\""), json!("a bAé"));
    assert_eq!(read("|\n a\n  b\n\n"), json!("a\n b\n"));
    assert_eq!(read("|-\n a\n"), json!("a"));
    assert_eq!(read("|+\n a\n\n"), json!("a\n\n"));
    assert_eq!(read("|2\n   a"), json!(" a"));
    assert_eq!(read(">\n a\n b\n\n c\n  d\n e\n"), json!("a b\nc\n d\ne\n"));
    assert_eq!(read("|\n x"), json!("x"));
}

#[test]
fn documents_encodings_and_line_ends() {
    assert_eq!(read(""), Value::Null);
    assert_eq!(read("# nothing\n"), Value::Null);
    assert_eq!(read(" "), Value::Null);
    assert_eq!(read("ab"), json!("ab"));
    assert_eq!(read("a: 1\r\nb: 2\r\n"), json!({"a": 1, "b": 2}));
    assert_eq!(read("\u{feff}a: 1\n---\nb: 2\n"), json!({"a": 1}));
    assert_eq!(read("%YAML 1.1\n%TAG !e! tag:yaml.org,2002:\n--- !e!str 1"), json!("1"));
    let wide: Vec<u8> = "\u{feff}a: é".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(parse(&wide, LIMITS).unwrap(), json!({"a": "é"}));
    assert!(refusal("a: \u{7}").ends_with("yaml: control characters are not allowed"));
    assert!(parse(b"a: \xff", LIMITS).unwrap_err().to_string().ends_with("yaml: invalid leading UTF-8 octet"));
}

#[test]
fn errors_name_upstream_s_lines() {
    let cases = [
        ("a: b: c", "mapping values are not allowed in this context"),
        ("a:\n\tb: c", "line 2: found character that cannot start any token"),
        ("a: 1\nb", "line 3: could not find expected ':'"),
        ("a: [1", "line 1: did not find expected ',' or ']'"),
        ("a: @b", "found character that cannot start any token"),
        ("a:\n  - b\n c: 1", "line 2: did not find expected key"),
        ("!e!x", "found undefined tag handle"),
        ("a:\n  !e!x\n  &b y", "line 1: found undefined tag handle"),
        ("<html>\n<p>&nbsp;</p>: x\n :", "line 2: mapping values are not allowed in this context"),
    ];
    for (text, problem) in cases {
        assert_eq!(refusal(text), format!("error converting YAML to JSON: yaml: {problem}"), "{text}");
    }
}

#[test]
fn values_files_are_cut_into_documents() {
    let cut = |text: &str| documents(text.as_bytes(), LIMITS);
    assert_eq!(cut("---\na: 1\n--- # two\nb: 2\n---\n").unwrap(), [json!({"a": 1}), json!({"b": 2})]);
    assert_eq!(cut("").unwrap(), Vec::<Value>::new());
    assert_eq!(cut("# only a comment").unwrap(), [json!({})]);
    assert_eq!(cut("a: 1\n---x\n").unwrap_err().to_string(), "invalid Yaml document separator: x");
    assert_eq!(
        cut("- a").unwrap_err().to_string(),
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}"
    );
    let few = Limits { nodes: 4, ..LIMITS };
    assert_eq!(documents(b"a: 1\n---\nb: 2\n---\nc: 3\n", few), Err(Error::TooMany(0)));
}

#[test]
fn strings_get_upstream_s_style() {
    let cases = [
        ("", "\"\""),
        ("plain text", "plain text"),
        ("yes", "\"yes\""),
        ("1.10", "\"1.10\""),
        ("1.2.3", "1.2.3"),
        ("2001-01-01", "\"2001-01-01\""),
        ("2001-1-1T1:2:3.5+01:00", "\"2001-1-1T1:2:3.5+01:00\""),
        ("2001-02-30", "2001-02-30"),
        ("1:30", "\"1:30\""),
        ("0o17", "\"0o17\""),
        ("<<", "<<"),
        ("a: b", "'a: b'"),
        ("a:b", "a:b"),
        ("a #b", "'a #b'"),
        ("it's", "it's"),
        ("'x'", "'''x'''"),
        ("- x", "'- x'"),
        ("-x", "-x"),
        ("--- x", "'--- x'"),
        ("{{ x }}", "'{{ x }}'"),
        ("*x", "'*x'"),
        (" x", "' x'"),
        ("x\ty", "\"x\\ty\""),
        ("😀", "\"\\U0001F600\""),
        ("漢字", "漢字"),
        ("\u{a0}", "\u{a0}"),
        ("a\u{85}b", "a b"),
        ("a\nb", "|-\n  a\n  b"),
        ("a\n", "|\n  a"),
        ("a\n\n", "|+\n  a\n"),
        (" a\nb", "|2-\n   a\n  b"),
        ("a \nb", "\"a \\nb\""),
        ("a\nb ", "\"a\\nb \""),
        ("\n", "|2+\n"),
        ("\u{feff}a", "\"\\uFEFF\\x61\""),
    ];
    for (text, form) in cases {
        assert_eq!(written(&json!(text)), format!("{form}\n"), "{text:?}");
    }
    assert_eq!(print(&json!("\u{7f}")), Err(Error::Print("control characters are not allowed")));
}

#[test]
fn long_lines_are_broken() {
    let text = "word ".repeat(20) + "end";
    let first = "word ".repeat(16);
    let form = format!("a: {}\n  {}end\n", first.trim_end(), "word ".repeat(4));
    assert_eq!(written(&json!({"a": text})), form);
    let quoted = format!("a: 'x: {}\n  {}end'\n", "word ".repeat(15).trim_end(), "word ".repeat(5));
    assert_eq!(written(&json!({"a": format!("x: {text}")})), quoted);
}

#[test]
fn lists_and_maps_are_laid_out() {
    let value = json!({"list": [1, [2, [3]], {"a": 1, "b": []}, {}], "map": {"x": {"y": null}}, "on": true});
    let form = "list:\n- 1\n- - 2\n  - - 3\n- a: 1\n  b: []\n- {}\nmap:\n  x:\n    \"y\": null\n\"on\": true\n";
    assert_eq!(written(&value), form);
    assert_eq!(written(&json!([[], {}])), "- []\n- {}\n");
    assert_eq!(written(&json!({"a\nb": [1], "c": 1})), "? |-\n  a\n  b\n: - 1\nc: 1\n");
    assert_eq!(written(&json!({"k".repeat(129): 1})), format!("? {}\n: 1\n", "k".repeat(129)));
}

#[test]
fn keys_are_sorted_by_their_numbers() {
    let keys = ["a10", "a2", "a1", "b", "A", "_x", "10", "9", "a", "a-b", "aB", "a01", "ä", "a.b"];
    let map: serde_json::Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), Value::Null)).collect();
    let text = written(&Value::Object(map));
    let order: Vec<&str> = text.lines().map(|line| line.split(':').next().unwrap().trim_matches('"')).collect();
    assert_eq!(order, ["_x", "9", "10", "A", "a", "a-b", "a.b", "a1", "a01", "a2", "a10", "aB", "b", "ä"]);
}

#[test]
fn numbers_are_printed_as_go_prints_them() {
    let cases = [
        (json!(1.0), "1"),
        (json!(1_000_000.0), "1000000"),
        (json!(1_234_567.5), "1.2345675e+06"),
        (json!(123_456.5), "123456.5"),
        (json!(0.0001), "0.0001"),
        (json!(0.00001), "1e-05"),
        (json!(1e20), "1e+20"),
        (json!(-0.0), "0"),
        (json!(1e19), "10000000000000000000"),
        (json!(975_129_050_753_259.2), "9.751290507532592e+14"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(-1.5), "-1.5"),
    ];
    for (value, form) in cases {
        assert_eq!(written(&value), format!("{form}\n"));
    }
}

fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        " ", "\n", "  ", ": ", " #", "'", "\"", "\\", "- ", "yes", "1", "~", "\u{2028}", "é", "😀", "\t", "{", "*",
    ]);
    prop_oneof![
        "[a-z0-9:. #'\"\n-]{0,12}",
        "[ -~\u{a0}-\u{2fff}\n\t]{0,40}",
        prop::collection::vec(odd, 0..8).prop_map(|parts| parts.concat()),
        "([a-z]{1,9} ){10,30}[a-z]",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![any::<i32>().prop_map(Value::from), (-1e9..1e9).prop_map(|number: f64| json!(number))];
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number, text().prop_map(Value::from)];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = text().prop_filter("written without quotes, so read as a merge", |key| key != "<<");
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Whole floats as whole numbers.
fn settled(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(number.as_f64().and_then(float::whole).unwrap_or(number)),
        Value::Array(items) => items.into_iter().map(settled).collect(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, settled(value))).collect()),
        other => other,
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_the_same(value in value()) {
        let text = print(&value).unwrap();
        let again = parse(text.as_bytes(), LIMITS).unwrap();
        prop_assert_eq!(print(&again).unwrap(), text);
        prop_assert_eq!(again, settled(value));
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), soup in "[a-c:,\\[\\]{}&*!|>%@'\"\\\\?#\t \n-]{0,40}") {
        drop(parse(&bytes, LIMITS));
        drop(documents(&bytes, LIMITS));
        drop(parse_strict(soup.as_bytes(), LIMITS));
    }
}
