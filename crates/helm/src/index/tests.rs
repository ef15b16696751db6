#![expect(clippy::unwrap_used, reason = "tests")]

mod bad;
mod find;

use std::io::Write as _;

use super::{Error, Limits, Summary, normalise};

/// Generous limits.
pub(super) const LIMITS: Limits = Limits::of_file(1 << 30);

/// Stores an index and returns it with the summary.
pub(super) fn stored(index: impl AsRef<[u8]>, limits: &Limits) -> Result<(String, Summary), Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(index.as_ref()).unwrap();
    let mut out = Vec::new();
    let summary = normalise(file.path(), &mut out, limits)?;
    assert_eq!(summary.bytes, out.len() as u64);
    Ok((String::from_utf8(out).unwrap(), summary))
}

pub(super) fn accepted(index: impl AsRef<[u8]>) -> String {
    stored(index, &LIMITS).unwrap().0
}

/// The message with which an index is refused.
pub(super) fn refused(index: impl AsRef<[u8]>) -> String {
    stored(index, &LIMITS).map(|(out, _)| out).unwrap_err().to_string()
}

/// Text made of numbered pieces.
pub(super) fn numbered(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

/// An index of one chart `a` with the given flow maps for versions, and what is stored of them, without white space.
pub(super) fn versions(entries: &str) -> String {
    let out = accepted(format!("apiVersion: v1\nentries:\n  a: {entries}\n"));
    let out: String = out.lines().map(str::trim).collect();
    let out = out.strip_prefix(r#"{"apiVersion": "v1","generated": "0001-01-01T00:00:00Z","entries": {"a": "#).unwrap();
    out.strip_suffix("}}").unwrap().to_owned()
}

/// What is stored of a version with one more field.
fn with(field: &str) -> String {
    let out = versions(&format!("[{{name: a, version: 1.0.0, {field}}}]"));
    let out = out.strip_prefix(r#"[{"name": "a","#).unwrap();
    out.strip_suffix(r#","created": "0001-01-01T00:00:00Z"}]"#).unwrap().to_owned()
}

#[test]
fn an_index_is_stored_as_upstream_stores_it() {
    let yaml = r#"# A comment.
apiVersion: v1
serverInfo: {contextPath: /x, big: 1e21, small: 0.0000001, list: [1, null, true], empty: {}}
entries:
  zebra:
  - name: zebra
    version: 1.2.0
    urls:
    - https://example.com/zebra-1.2.0.tgz?a=b&c=<d>
    created: 2020-01-02T03:04:05.600+02:00
    digest: 1e5
    deprecated: yes
    removed: false
    annotations:
      b: "2"
      a: |
        two
        lines
    maintainers:
    - name: "tab\tbell\a"
      email: e@example.com
    dependencies:
    - name: dep
      version: ">=1"
      tags: [t]
      enabled: true
      import-values: [data, {child: c, parent: p}]
      alias: other
    keywords: []
  - {name: zebra, version: v1.10.0, apiVersion: v2, type: library, kubeVersion: ">=1.20"}
  - {name: zebra, version: 1.10.0-rc.1}
  ant: []
  bee: null
generated: "2020-01-01T00:00:00Z"
publicKeys: [k, 1.50]
annotations: {x: yes}
"#;
    let (out, summary) = stored(yaml, &LIMITS).unwrap();
    assert_eq!(out, include_str!("tests/stored.json").trim_end());
    assert_eq!((summary.charts, summary.versions, summary.dropped), (3, 3, 0));
    assert_eq!(accepted(&out), out, "what is stored is stored again unchanged");
}

#[test]
fn json_is_read_leniently_as_go_reads_it() {
    let json = r#"{"APIVERSION": "v1", "unknown": [{}], "entries": {"a": [
        {"name": "first", "NAME": "a", "version": "1.0.0", "urls": ["x", "y"], "URLs": [null], "maintainers": [{"name": "n"}],
         "maintainers": [{"email": "e"}], "description": "\ud800\u00e9\ud83d\ude00\/", "annotations": {"a": "b"}, "annotations": {"c": null}}
    ]}, "entries": {"b": []}}"#;
    let out: String = accepted(json).lines().map(str::trim).collect();
    let wanted = r#"{"apiVersion": "v1","generated": "0001-01-01T00:00:00Z","entries": {"a": [{"name": "a","version": "1.0.0","description": "�é😀/","maintainers": [{"name": "n","email": "e"}],"apiVersion": "v1","annotations": {"a": "b","c": ""},"urls": ["x"],"created": "0001-01-01T00:00:00Z"}],"b": []}}"#;
    assert_eq!(out, wanted);
}

#[test]
fn bytes_that_are_no_text_are_replaced_in_json_one_by_one() {
    let out = accepted(b"{\"apiVersion\": \"v1\", \"annotations\": {\"a\": \"x\xe2\x82y\xff\"}}");
    assert!(out.contains("\"x\u{fffd}\u{fffd}y\u{fffd}\""), "{out}");
}

#[test]
fn what_only_looks_like_json_is_yaml() {
    let out = accepted("{\"apiVersion\": \"v1\", \"entries\": {\"a\": [\"name\": \"z\",]},}");
    assert!(out.contains(r#""a": []"#), "{out}");
    assert!(accepted("{apiVersion: v1}").contains(r#""entries": null"#));
    assert!(accepted("{\"apiVersion\": v1, entries: {}}").contains(r#""entries": {}"#));
}

#[test]
fn of_two_shortest_numbers_the_even_one_is_kept() {
    for text in
        ["apiVersion: v1\nserverInfo: {a: 804655021050236.25}\n", r#"{"apiVersion": "v1", "serverInfo": {"a": 804655021050236.25}}"#]
    {
        assert!(accepted(text).lines().any(|line| line.trim() == r#""a": 804655021050236.2"#), "{text}");
    }
}

#[test]
fn numbers_and_booleans_become_strings() {
    // Upstream refuses these; what is written is kept.
    for (field, wanted) in [
        ("appVersion: 1.10", r#""version": "1.0.0","apiVersion": "v1","appVersion": "1.10","urls": null"#),
        ("appVersion: yes", r#""version": "1.0.0","apiVersion": "v1","appVersion": "yes","urls": null"#),
        ("keywords: [1e3, x]", r#""version": "1.0.0","keywords": ["1e3","x"],"apiVersion": "v1","urls": null"#),
    ] {
        assert_eq!(with(field), wanted);
    }
    // Upstream converts these.
    for (field, wanted) in [
        ("digest: 1.10", r#""urls": null"#.to_owned() + "|1.1"),
        ("digest: 1234567.0", r#""urls": null"#.to_owned() + "|1.234567e+06"),
        ("digest: 4011180.25", r#""urls": null"#.to_owned() + "|4.0111802e+06"),
        ("digest: 0x10", r#""urls": null"#.to_owned() + "|16"),
        ("digest: On", r#""urls": null"#.to_owned() + "|true"),
        ("digest: .inf", r#""urls": null"#.to_owned() + "|+Inf"),
        ("digest: 18446744073709551615", r#""urls": null"#.to_owned() + "|18446744073709551615"),
    ] {
        let (_, digest) = wanted.split_once('|').unwrap();
        assert!(versions(&format!("[{{name: a, version: 1.0.0, {field}}}]")).contains(&format!(r#""digest": "{digest}""#)), "{field}");
    }
    assert!(accepted(r#"{"apiVersion": 1.0}"#).contains(r#""apiVersion": "1.0""#));
}

#[test]
fn versions_are_sorted_the_newest_first_and_equal_ones_keep_their_order() {
    let texts = ["1.0.0+b", "1.0.0-rc.10", "1.0.0-rc.9", "2", "v1.0.0", "1.10.0", "1.9.0", "1.0.0+a"];
    let entries: Vec<_> = texts.iter().map(|v| format!("{{name: a, version: '{v}'}}")).collect();
    let out = versions(&format!("[{}]", entries.join(", ")));
    let order: Vec<_> = out.split(r#""version": ""#).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(order, ["2", "1.10.0", "1.9.0", "1.0.0+b", "v1.0.0", "1.0.0+a", "1.0.0-rc.10", "1.0.0-rc.9"]);
}

#[test]
fn a_text_may_end_without_a_line_end() {
    let yaml = "apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: 1.0.0\n    description: |\n      one\n      two";
    assert!(accepted(yaml).contains("\"description\": \"one two\","));
    assert!(accepted(format!("{yaml}\n")).contains("\"description\": \"one two \","));
}

#[test]
fn aliases_and_merged_maps_work_as_in_go() {
    let yaml = "apiVersion: v1\nentries:\n  a:\n  - &e\n    name: a\n    version: 1.0.0\n    urls: &u [x, z]\n  - *e\n  - {<<: {name: a}, version: 2.0.0, urls: *u, home: &h z, icon: *h}\n";
    let out: String = accepted(yaml).lines().map(str::trim).collect();
    let one = r#"{"name": "a","version": "1.0.0","apiVersion": "v1","urls": ["x","z"],"created": "0001-01-01T00:00:00Z"}"#;
    let two = r#"{"name": "a","home": "z","version": "2.0.0","icon": "z","apiVersion": "v1","urls": ["x","z"],"created": "0001-01-01T00:00:00Z"}"#;
    assert!(out.contains(&format!("[{two},{one},{one}]")), "{out}");
}

#[test]
fn anchors_may_be_used_thousands_of_times() {
    let entries = numbered(5000, |i| format!("  - {{name: a, version: 1.0.{i}, urls: *u, maintainers: *m}}\n"));
    let out = accepted(format!(
        "annotations: {{k: v}}\napiVersion: v1\nentries:\n  b: [{{name: b, version: 1, urls: &u [x], maintainers: &m [{{name: j}}]}}]\n  a:\n{entries}"
    ));
    assert_eq!(out.matches(r#""name": "j""#).count(), 5001);
}

#[test]
fn utf_16_is_read_where_a_byte_order_mark_announces_it() {
    let text = "\u{feff}apiVersion: v1\nentries: {é🎉: []}\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(accepted(&little), accepted(text));
    assert_eq!(accepted(&big), accepted(text));
    assert!(refused(&little[..little.len() - 1]).contains("yaml: "));
    assert!(refused(b"\xff\xfe\x00\xd8").contains("yaml: "));
    assert_eq!(refused(b"\xff\xfe"), "no API version specified");
}

#[test]
fn a_document_ends_where_upstream_ends_it() {
    for text in [
        "apiVersion: v1",
        "apiVersion: v1\r\n",
        "\u{feff}apiVersion: v1\n",
        "%YAML 1.1\n---\napiVersion: v1\n...\n",
        "apiVersion: v1\n---\n[: {",
    ] {
        assert!(accepted(text).contains(r#""apiVersion": "v1""#), "{text:?}");
    }
}
