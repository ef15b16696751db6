#![expect(clippy::unwrap_used, reason = "tests")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DecodeError, decode};

/// An object as the Go libraries of Kubernetes 1.36 write it, in both ways.
#[derive(Debug, Deserialize)]
struct Recorded {
    name: String,
    body: String,
    json: Value,
}

impl Recorded {
    fn body(&self) -> Vec<u8> {
        STANDARD.decode(&self.body).unwrap()
    }
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("../../tests/fixtures/protobuf.json")).unwrap()
}

/// What `value` is without its fields that are null, but with the nulls in `fieldsV1`.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), if name == "fieldsV1" { value.clone() } else { without_nulls(value) }))
            .collect(),
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        value => value.clone(),
    }
}

/// A field with the number `number` (up to 15) that holds `bytes` (up to 127).
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &type_meta), field(2, raw)].concat()
}

fn config_map(raw: &[u8]) -> Result<Value, DecodeError> {
    decode(&body("v1", "ConfigMap", raw))
}

/// The error of an event whose first timestamp is `stamp`.
fn first_timestamp(stamp: &[u8]) -> Result<Value, DecodeError> {
    decode(&body("v1", "Event", &field(6, stamp)))
}

#[test]
fn reads_what_go_writes() {
    let recorded = recorded();
    assert_eq!(recorded.len(), 17);
    for recorded in recorded {
        assert_eq!(decode(&recorded.body()).unwrap(), without_nulls(&recorded.json), "{}", recorded.name);
    }
}

#[test]
fn reads_what_kubectl_sends() {
    let secret = b"k8s\0\n\x0c\n\x02v1\x12\x06Secret\x12:\n\x18\n\x04cred\x12\0\x1a\x04conf\"\0*\x002\x008\0B\0\x12\r\n\x08password\x12\x01p\x12\r\n\x08username\x12\x01u\x1a\0\x1a\0\"\0";
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cred", "namespace": "conf"}, "data": {"password": "cA==", "username": "dQ=="}});
    assert_eq!(decode(secret), Ok(object));
}

#[test]
fn names_the_kinds_it_does_not_know() {
    let refused = |api_version, kind| decode(&body(api_version, kind, b"")).unwrap_err();
    assert_eq!(
        refused("authentication.k8s.io/v1", "SelfSubjectReview").to_string(),
        r#""SelfSubjectReview" in version "authentication.k8s.io/v1" cannot be read as protobuf"#
    );
    for (api_version, kind) in [("events.k8s.io/v1", "Event"), ("v1", "Lease"), ("v2", "Secret"), ("v1", "Pod"), ("", "")] {
        assert!(matches!(refused(api_version, kind), DecodeError::Kind { .. }), "{api_version} {kind}");
    }
}

#[test]
fn refuses_what_is_no_body() {
    assert_eq!(decode(b""), Err(DecodeError::Prefix));
    assert_eq!(decode(b"k8s"), Err(DecodeError::Prefix));
    assert_eq!(decode(br#"{"kind":"Secret"}"#), Err(DecodeError::Prefix));
    assert_eq!(decode(b"k8s\0"), Err(DecodeError::Empty));
}

#[test]
fn refuses_malformed_fields() {
    assert_eq!(config_map(b"\x08\x01"), Err(DecodeError::WireType { wire: 0, field: "metadata" }));
    assert_eq!(config_map(b"\x22\x00"), Err(DecodeError::WireType { wire: 2, field: "immutable" }));
    assert_eq!(config_map(b"\x25\0\0\0\0"), Err(DecodeError::WireType { wire: 5, field: "immutable" }));
    assert_eq!(config_map(b"\x00\x01"), Err(DecodeError::Tag));
    for group in [b"\x0b", b"\x0c", b"\x0e", b"\x0f"] {
        assert_eq!(config_map(group), Err(DecodeError::Tag));
    }
    assert_eq!(config_map(b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Err(DecodeError::Overflow));
    assert_eq!(config_map(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Err(DecodeError::Truncated));
    assert_eq!(config_map(&field(1, &field(1, b"\xff"))), Err(DecodeError::Value { field: "name" }));
    let managed = |raw: &[u8]| config_map(&field(1, &[b"\x8a\x01".as_slice(), &field(0, &field(7, &field(1, raw)))[1..]].concat()));
    assert_eq!(managed(b"{}").unwrap()["metadata"]["managedFields"], json!([{"fieldsV1": {}}]));
    assert_eq!(managed(b"{"), Err(DecodeError::Value { field: "fieldsV1" }));
    let count = decode(&body("v1", "Event", b"\x40\x80\x80\x80\x80\x08"));
    assert_eq!(count, Err(DecodeError::Value { field: "count" }));
}

#[test]
fn deep_json_is_an_error() {
    // An object of managed fields of 10,000 levels; lengths of two and three bytes.
    let long = |key: &[u8], bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap();
        let groups = [length & 0x7f | 0x80, length >> 7 & 0x7f | 0x80, length >> 14].map(|group| u8::try_from(group).unwrap());
        [key, &groups, bytes].concat()
    };
    let entry = long(b"\x3a", &long(b"\x0a", &b"[".repeat(10_000)));
    let raw = long(b"\x0a", &long(b"\x8a\x01", &entry));
    let whole = [b"k8s\0".to_vec(), field(1, &[field(1, b"v1"), field(2, b"Secret")].concat()), long(b"\x12", &raw)].concat();
    assert_eq!(decode(&whole), Err(DecodeError::Value { field: "fieldsV1" }));
}

#[test]
fn skips_unknown_fields_and_merges_known_ones() {
    let raw = [
        b"\x79\0\0\0\0\0\0\0\0\x7d\0\0\0\0\x78\x01".to_vec(),
        field(14, b"later"),
        field(1, &field(1, b"first")),
        field(1, &[field(1, b"last"), field(3, b"conf")].concat()),
        field(2, &[field(1, b"a"), field(2, b"1")].concat()),
        field(2, &[field(1, b"a"), field(2, b"2")].concat()),
        field(2, &field(1, b"b")),
        field(3, b""),
    ];
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "last", "namespace": "conf"},
        "data": {"a": "2", "b": ""}, "binaryData": {"": ""},
    });
    assert_eq!(config_map(&raw.concat()), Ok(object));
}

#[test]
fn times_are_of_the_years_1_to_9999() {
    let at = |seconds: &[u8]| first_timestamp(&[b"\x08", seconds].concat()).map(|event| event["firstTimestamp"].clone());
    let outside = Err(DecodeError::Value { field: "firstTimestamp" });
    assert_eq!(at(b"\xff\x91\xb8\xc3\x98\xfe\xff\xff\xff\x01"), outside);
    assert_eq!(at(b"\x80\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01"), Ok(Value::Null));
    assert_eq!(at(b"\x81\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01"), Ok("0001-01-01T00:00:01Z".into()));
    assert_eq!(at(b"\x00"), Ok("1970-01-01T00:00:00Z".into()));
    assert_eq!(at(b"\xff\x82\xd1\xff\xaf\x07"), Ok("9999-12-31T23:59:59Z".into()));
    assert_eq!(at(b"\x80\x83\xd1\xff\xaf\x07"), outside);
    assert_eq!(at(b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), outside);
    assert_eq!(first_timestamp(b"").unwrap(), json!({"apiVersion": "v1", "kind": "Event"}));
    assert_eq!(first_timestamp(b"\x10\x01").unwrap()["firstTimestamp"], "1970-01-01T00:00:00Z");
    let nanos = decode(&body("v1", "Event", &field(10, b"\x10\x80\x94\xeb\xdc\x03")));
    assert_eq!(nanos, Err(DecodeError::Value { field: "eventTime" }));
}

#[test]
fn no_error_quotes_a_value() {
    let entry = [field(1, b"password"), b"\x12\x09hunter2".to_vec()].concat();
    let error = decode(&body("v1", "Secret", &field(2, &entry))).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter"), "{error:?}");
}

#[test]
fn every_cut_inside_the_object_is_an_error() {
    for recorded in recorded() {
        let body = recorded.body();
        // After the object there are two empty fields; before it, the prefix and its type.
        let (start, end) = (6 + usize::from(body[5]), body.len() - 4);
        for cut in start + 1..end {
            assert_eq!(decode(&body[..cut]), Err(DecodeError::Truncated), "{} at {cut}", recorded.name);
        }
        assert_eq!(decode(&body[..end]), decode(&body), "{}", recorded.name);
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512), kind in 0..17_usize) {
        let _ = decode(&bytes);
        let _ = decode(&[b"k8s\0", bytes.as_slice()].concat());
        let recorded = recorded()[kind].body();
        let header = &recorded[4..6 + usize::from(recorded[5])];
        let raw = &bytes[..bytes.len().min(127)];
        let _ = decode(&[b"k8s\0", header, &field(2, raw)].concat());
    }

    #[test]
    fn changed_bytes_never_panic(kind in 0..17_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut body = recorded()[kind].body();
        for (index, byte) in changes {
            let at = index.index(body.len());
            body[at] = byte;
        }
        let _ = decode(&body);
    }
}
