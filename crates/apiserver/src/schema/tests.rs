#![expect(clippy::unwrap_used, reason = "tests")]

use serde::Deserialize;
use serde_json::{Value, json};

use super::metadata::{misfit, validate_metadata};
use super::{Cause, Schema, told};
use crate::kind::{Generation, Kind, Origin, Scope, Status};

/// What a real server has answered, recorded.
#[derive(Deserialize)]
struct Recorded {
    schemas: std::collections::BTreeMap<String, Value>,
    cases: Vec<Case>,
    refused: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    name: String,
    object: Value,
    old: Option<Value>,
    part: Option<String>,
    message: Option<String>,
    #[serde(default)]
    causes: Vec<Told>,
    stored: Option<Value>,
}

#[derive(Deserialize)]
struct Refusal {
    name: String,
    schema: Value,
    causes: Vec<Told>,
}

#[derive(Deserialize, Debug, Clone, PartialEq)]
struct Told {
    #[serde(default)]
    field: String,
    reason: String,
    message: String,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../../tests/fixtures/schema-refusals.json")).unwrap()
}

fn schema(props: &Value) -> Schema {
    Schema::new(serde_json::from_value(props.clone()).unwrap()).unwrap()
}

fn told_of(causes: &[Cause]) -> Vec<Told> {
    let told = |cause: &Cause| Told { field: cause.field.clone(), reason: cause.reason.to_owned(), message: cause.message.clone() };
    causes.iter().map(told).collect()
}

/// Puts the causes of different fields in order, which the real server tells in any. Those of one field keep theirs.
fn ordered(mut causes: Vec<Told>) -> Vec<Told> {
    causes.sort_by(|a, b| a.field.cmp(&b.field));
    causes
}

fn whole(case: &Case, body: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "schema.test/v1",
        "kind": case.kind,
        "metadata": {"name": case.name, "namespace": "schematest"},
    });
    object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    object
}

#[test]
fn refuses_what_the_real_server_refuses() {
    let recorded = recorded();
    let schemas: std::collections::BTreeMap<_, _> = recorded.schemas.iter().map(|(kind, props)| (kind, schema(props))).collect();
    let mut wrong = Vec::new();
    for case in &recorded.cases {
        let schema = &schemas[&case.kind];
        let mut object = whole(case, &case.object);
        let old = case.old.as_ref().map(|old| whole(case, old));
        schema.prune(&mut object);
        schema.default(&mut object);
        let causes = match (&case.part, &old) {
            (Some(_), Some(old)) => schema.validate_status(&object, old),
            _ => schema.validate(&object, old.as_ref()),
        };
        let wanted = ordered(case.causes.clone());
        let found = ordered(told_of(&causes));
        if wanted != found {
            wrong.push(format!("{} (before: {:?})\n  wanted {wanted:?}\n  found  {found:?}", case.object, case.old));
        } else if let (Some(message), [_]) = (&case.message, causes.as_slice()) {
            assert_eq!(told(&causes, &format!("{}.schema.test", case.kind), &case.name), *message);
        }
        if let (Some(stored), []) = (&case.stored, causes.as_slice()) {
            for (name, value) in stored.as_object().unwrap() {
                // Whole numbers with a fraction of zero lose it on the way through the real server.
                let found = serde_json::from_str::<Value>(&object[name].to_string().replace("2.0", "2")).unwrap();
                assert_eq!(found, *value);
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), recorded.cases.len(), wrong.join("\n"));
}

/// Messages of parsers differ in their words.
const OTHER_WORDS: &[&str] = &["regex", "regex2"];

#[test]
fn refuses_schemas_that_the_real_server_refuses() {
    let mut wrong = Vec::new();
    for refusal in recorded().refused {
        let found = Schema::new(serde_json::from_value(refusal.schema).unwrap()).err().unwrap_or_default();
        let found = ordered(told_of(&found));
        let wanted = ordered(refusal.causes);
        let same = if OTHER_WORDS.contains(&refusal.name.as_str()) {
            found.len() == wanted.len() && found[0].field == wanted[0].field && found[0].reason == wanted[0].reason
        } else {
            found == wanted
        };
        if !same {
            wrong.push(format!("{}\n  wanted {wanted:?}\n  found  {found:?}", refusal.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn kind(group: &str, plural: &str, scope: Scope) -> Kind {
    let text = str::to_owned;
    Kind {
        group: text(group),
        version: text("v1"),
        kind: text("Thing"),
        list_kind: text("ThingList"),
        plural: text(plural),
        singular: text("thing"),
        short_names: Vec::new(),
        categories: Vec::new(),
        scope,
        status: Status::Field,
        generation: Generation::Absent,
        schema: std::sync::Arc::new(Schema::any()),
        columns: Vec::new(),
        origin: Origin::BuiltIn,
        deprecation: None,
    }
}

fn lines(causes: &[Cause]) -> Vec<String> {
    causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

#[test]
fn checks_metadata() {
    let map = kind("", "configmaps", Scope::Namespaced);
    let custom = kind("x.y", "things", Scope::Namespaced);
    let namespaces = kind("", "namespaces", Scope::Cluster);
    let good = json!({"name": "a.b", "namespace": "ns", "labels": {"x.y/z": "A_1"}, "annotations": {"X.y/Z": "any thing"}, "finalizers": ["kubernetes", "a.b/c"]});
    assert_eq!(lines(&validate_metadata(&map, &good, None)), Vec::<String>::new());
    let subdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    let name_part = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let long = "x".repeat(64);
    let cases: Vec<(&Kind, Value, Vec<String>)> = vec![
        (&map, json!({}), vec!["metadata.name: Required value: name or generateName is required".into()]),
        (&map, json!({"name": "A"}), vec![format!("metadata.name: Invalid value: \"A\": {subdomain}")]),
        (&map, json!({"name": "a".repeat(254)}), vec![format!("metadata.name: Invalid value: \"{}\": must be no more than 253 characters", "a".repeat(254))]),
        (&map, json!({"name": "a", "generateName": "a-"}), vec![]),
        (&namespaces, json!({"name": "a.b"}), vec!["metadata.name: Invalid value: \"a.b\": must not contain dots".into()]),
        (&map, json!({"name": "a", "labels": {"/x": "1"}}), vec!["metadata.labels: Invalid value: \"/x\": prefix part must be non-empty".into()]),
        (&map, json!({"name": "a", "labels": {"A_/b": "1"}}), vec![format!("metadata.labels: Invalid value: \"A_/b\": prefix part {subdomain}")]),
        (&map, json!({"name": "a", "labels": {"x/": "1"}}), vec!["metadata.labels: Invalid value: \"x/\": name part must be non-empty".into(), format!("metadata.labels: Invalid value: \"x/\": {name_part}")]),
        (&map, json!({"name": "a", "labels": {long.as_str(): long.as_str()}}), vec![format!("metadata.labels: Invalid value: \"{long}\": name part must be no more than 63 bytes"), format!("metadata.labels: Invalid value: \"{long}\": must be no more than 63 bytes")]),
        (&map, json!({"name": "a", "annotations": {"A B": "x"}}), vec![format!("metadata.annotations: Invalid value: \"A B\": {name_part}")]),
        (&map, json!({"name": "a", "annotations": {"a": "x".repeat(262_144)}}), vec!["metadata.annotations: Too long: may not be more than 262144 bytes".into()]),
        (&map, json!({"name": "a", "finalizers": ["a b"]}), vec![format!("metadata.finalizers: Invalid value: \"a b\": {name_part}"), "metadata.finalizers[0]: Invalid value: \"a b\": name is neither a standard finalizer name nor is it fully qualified".into()]),
        (&custom, json!({"name": "a", "finalizers": ["a b"]}), vec![format!("metadata.finalizers: Invalid value: \"a b\": {name_part}")]),
        (&map, json!({"name": "a", "finalizers": ["orphan", "foregroundDeletion"]}), vec!["metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot be both set".into()]),
        (&map, json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "A", "uid": "1"}]}), vec!["metadata.ownerReferences.name: Invalid value: \"\": must not be empty".into()]),
        (
            &map,
            json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "1", "controller": true}, {"apiVersion": "v1", "kind": "B", "name": "b", "uid": "2", "controller": true}]}),
            vec!["metadata.ownerReferences: Invalid value: [{\"apiVersion\":\"v1\",\"kind\":\"A\",\"name\":\"a\",\"uid\":\"1\",\"controller\":true},{\"apiVersion\":\"v1\",\"kind\":\"B\",\"name\":\"b\",\"uid\":\"2\",\"controller\":true}]: Only one reference can have Controller set to true. Found \"true\" in references for A/a and B/b".into()],
        ),
    ];
    for (kind, mut metadata, wanted) in cases {
        if kind.is_namespaced() {
            metadata["namespace"] = "ns".into();
        }
        assert_eq!(lines(&validate_metadata(kind, &metadata, None)), wanted);
    }
    assert_eq!(lines(&validate_metadata(&map, &json!({"name": "a"}), None)), ["metadata.namespace: Required value"]);
    let generated = validate_metadata(&namespaces, &json!({"generateName": "a.b-", "name": "a.b-9gtqh"}), None);
    assert_eq!(
        lines(&generated),
        [
            "metadata.generateName: Invalid value: \"a.b-\": must not contain dots",
            "metadata.name: Invalid value: \"a.b-9gtqh\": must not contain dots"
        ]
    );
}

#[test]
fn checks_changes_of_metadata() {
    let custom = kind("x.y", "things", Scope::Namespaced);
    let old = json!({"name": "a", "namespace": "ns", "uid": "1", "finalizers": ["a/b"], "deletionTimestamp": "2024-01-01T00:00:00Z"});
    let changed = |change: Value| {
        let mut new = old.clone();
        new.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        lines(&validate_metadata(&custom, &new, Some(&old)))
    };
    assert_eq!(changed(json!({})), Vec::<String>::new());
    assert_eq!(changed(json!({"name": "b"})), ["metadata.name: Invalid value: \"b\": field is immutable"]);
    assert_eq!(changed(json!({"uid": null})), ["metadata.uid: Invalid value: null: field is immutable"]);
    assert_eq!(
        changed(json!({"deletionGracePeriodSeconds": 3})),
        ["metadata.deletionGracePeriodSeconds: Invalid value: 3: field is immutable"]
    );
}

#[test]
fn tells_what_cannot_be_read() {
    let cases = [
        (json!({"name": "a", "labels": {"a": "b"}, "creationTimestamp": null, "generation": 3}), None),
        (json!({"name": 3}), Some("json: cannot unmarshal number into Go struct field ObjectMeta.name of type string")),
        (json!({"labels": {"a": 1}}), Some("json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string")),
        (json!({"labels": []}), Some("json: cannot unmarshal array into Go struct field ObjectMeta.labels of type map[string]string")),
        (json!({"finalizers": "x"}), Some("json: cannot unmarshal string into Go struct field ObjectMeta.finalizers of type []string")),
        (json!({"generation": 1.5}), Some("json: cannot unmarshal number 1.5 into Go struct field ObjectMeta.generation of type int64")),
        (json!({"uid": 3}), Some("json: cannot unmarshal number into Go struct field ObjectMeta.uid of type string")),
        (
            json!({"ownerReferences": [1]}),
            Some("json: cannot unmarshal number into Go struct field ObjectMeta.ownerReferences of type v1.OwnerReference"),
        ),
        (
            json!({"ownerReferences": [{"controller": "x"}]}),
            Some("json: cannot unmarshal string into Go struct field OwnerReference.ownerReferences.controller of type bool"),
        ),
        (json!({"creationTimestamp": "x"}), Some("parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"")),
        (json!("x"), Some("json: cannot unmarshal string into Go value of type v1.ObjectMeta")),
    ];
    for (metadata, wanted) in cases {
        assert_eq!(misfit(&metadata).as_deref(), wanted);
    }
}

#[test]
fn prunes_what_the_schema_does_not_know() {
    let schema = schema(&recorded().schemas["Value"]);
    let mut object = json!({
        "apiVersion": "schema.test/v1", "kind": "Value", "other": 1,
        "metadata": {"name": "a", "foo": 1, "ownerReferences": [{"name": "x", "bar": 2}]},
        "spec": {
            "nope": 1, "free": {"a": 1},
            "embedded": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "e"}, "y": 1},
            "map": [{"name": "a", "zz": 1}], "nested": {"req": "a", "q": {"x": 1}},
        },
    });
    let removed = schema.prune(&mut object);
    let wanted = ["metadata.foo", "metadata.ownerReferences[0].bar", "other", "spec.map[0].zz", "spec.nested.q", "spec.nope"];
    assert_eq!(removed, wanted);
    let left = json!({
        "apiVersion": "schema.test/v1", "kind": "Value", "metadata": {"name": "a", "ownerReferences": [{"name": "x"}]},
        "spec": {
            "free": {"a": 1}, "embedded": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "e"}, "y": 1},
            "map": [{"name": "a"}], "nested": {"req": "a"},
        },
    });
    assert_eq!(object, left);
    assert!(Schema::any().prune(&mut json!({"metadata": {}, "anything": {"at": ["all"]}})).is_empty());
}

#[test]
fn fills_in_defaults() {
    let schema = schema(&json!({"type": "object", "properties": {"spec": {"type": "object", "default": {}, "properties": {
        "n": {"type": "integer", "default": 3},
        "maybe": {"type": "string", "nullable": true, "default": "x"},
        "plain": {"type": "string"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"q": {"type": "string", "default": "z"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"q": {"type": "string", "default": "z"}}}},
    }}}}));
    let filled = |mut object: Value| {
        schema.default(&mut object);
        object
    };
    assert_eq!(filled(json!({})), json!({"spec": {"n": 3, "maybe": "x"}}));
    assert_eq!(filled(json!({"spec": null})), json!({"spec": {"n": 3, "maybe": "x"}}));
    assert_eq!(filled(json!({"spec": {"n": null, "maybe": null, "plain": null}})), json!({"spec": {"n": 3, "maybe": null}}));
    let lists = json!({"spec": {"n": 1, "maybe": "y", "list": [{}, {"q": "a"}, {"q": null}], "map": {"a": {}, "b": {"q": "b"}}}});
    let wanted =
        json!({"spec": {"n": 1, "maybe": "y", "list": [{"q": "z"}, {"q": "a"}, {"q": "z"}], "map": {"a": {"q": "z"}, "b": {"q": "b"}}}});
    assert_eq!(filled(lists), wanted);
}

#[test]
fn takes_what_is_nested_deep() {
    let props = (0..90).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}));
    let deep = (0..90).fold(json!(1), |inner, _| Value::Array(vec![inner]));
    assert_eq!(schema(&json!({"type": "object", "properties": {"a": props}})).validate(&json!({"a": deep}), None).len(), 1);
}

#[test]
fn survives_rules_that_cannot_be_evaluated() {
    let props =
        |rule: &str| json!({"type": "object", "properties": {"a": {"type": "integer", "x-kubernetes-validations": [{"rule": rule}]}}});
    for (rule, error) in [
        ("self + 9223372036854775807 > 0", "integer overflow"),
        ("self % 0 == 1", "modulus by zero"),
        ("[1, 2][self + 4] == 1", "index out of bounds: 5"),
        ("[1].all(x, x > 0) && x > 0", "no such attribute(s): x"),
    ] {
        let causes = schema(&props(rule)).validate(&json!({"a": 1}), None);
        assert_eq!(lines(&causes), [format!("a: Invalid value: \"integer\": {error} evaluating rule: {rule}")]);
    }
    let refused = |rule: &str| lines(&Schema::new(serde_json::from_value(props(rule)).unwrap()).unwrap_err()).remove(0);
    assert_eq!(schema(&props("Some{x: 1} == self")).validate(&json!({"a": 1}), None).len(), 1);
    assert!(refused(&format!("{}self{} > 0", "(".repeat(5_000), ")".repeat(5_000))).contains("compilation failed"));
    assert!(refused(&format!("self{} > 0", "+1".repeat(60))).contains("nested deeper than 32 levels"));
    schema(&props(&format!("{}self{} > 0", "(".repeat(20), ")".repeat(20))));
}

#[test]
fn patterns_are_those_of_go() {
    // An Arabic digit, a letter and a space that are none in ASCII.
    let cases = [
        (r"^\d+$", "12", "\u{661}"),
        (r"^\w+$", "a_1", "\u{e9}"),
        (r"^\s$", "\t", "\u{a0}"),
        (r"^[\d.]+$", "1.2", "\u{661}"),
        (r"^\Qa.b\E$", "a.b", "axb"),
        ("^[[a]+$", "[a", "]"),
    ];
    for (pattern, good, bad) in cases {
        let schema = schema(&json!({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}));
        let wrong = |text: &str| schema.validate(&json!({"a": text}), None).len();
        assert_eq!((wrong(good), wrong(bad)), (0, 1), "{pattern}");
    }
    let props = |pattern: &str| {
        serde_json::from_value(json!({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}})).unwrap()
    };
    for none in ["(a", r"(a)\1", "(?=a)"] {
        assert!(Schema::new(props(none)).is_err(), "{none}");
    }
}

#[test]
fn tells_as_the_real_server() {
    assert_eq!(told(&[], "Thing.x.y", "a\"b"), "Thing.x.y \"a\\\"b\" is invalid");
    // As Go quotes it: an accent stands for itself, what cannot be printed has escapes of its own.
    assert_eq!(told(&[], "Thing.x.y", "e\u{301}\0\u{200b}"), "Thing.x.y \"e\u{301}\\x00\\u200b\" is invalid");
    let nested = json!({"a": ["\u{2028}<", 1.0], "\u{2029}&": null});
    assert_eq!(Cause::invalid("spec", &nested, "no").message, r#"Invalid value: {"a":["\u2028\u003c",1],"\u2029\u0026":null}: no"#);
    let numbers = [(json!(1e6), "1e+06"), (json!(2.0), "2"), (json!(1e-5), "1e-05"), (json!(1_000_000), "1000000")];
    for (number, said) in numbers {
        assert_eq!(Cause::invalid("spec", &number, "no").message, format!("Invalid value: {said}: no"));
        let bounded = schema(&json!({"type": "object", "properties": {"a": {"type": "number", "minimum": 2_000_000}}}));
        let bound = if number.is_i64() { "2000000" } else { "2e+06" };
        let message = format!("Invalid value: {said}: a in body should be greater than or equal to {bound}");
        assert_eq!(bounded.validate(&json!({"a": number}), None)[0].message, message);
    }
    let owner = json!([{"name": "\u{2028}", "controller": true}, {"name": "b", "controller": true}]);
    let causes = validate_metadata(&kind("", "configmaps", Scope::Namespaced), &json!({"name": "a", "ownerReferences": owner}), None);
    assert!(causes.iter().any(|cause| cause.message.contains(r#""name":"\u2028""#)), "{causes:?}");
    let twice = [Cause::required("spec.a", ""), Cause::required("spec.a", ""), Cause::forbidden("spec.b", "no")];
    assert_eq!(told(&twice, "Thing.x.y", "n"), "Thing.x.y \"n\" is invalid: [spec.a: Required value, spec.b: Forbidden: no]");
}

#[test]
fn checks_the_sources_of_flux() {
    let definition: Value =
        serde_saphyr::from_str(include_str!("../../../../config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml")).unwrap();
    let version = &definition["spec"]["versions"][0];
    let schema = schema(&version["schema"]["openAPIV3Schema"]);
    let refusal = |spec: Value| {
        let mut object =
            json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "n"}, "spec": spec});
        object["spec"]["interval"] = object["spec"].get("interval").cloned().unwrap_or("1m".into());
        schema.prune(&mut object);
        schema.default(&mut object);
        told(&schema.validate(&object, None), "GitRepository.source.toolkit.fluxcd.io", "n")
    };
    let head = "GitRepository.source.toolkit.fluxcd.io \"n\" is invalid";
    let blocked = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
    assert_eq!(refusal(json!({"url": "https://x/y"})), head);
    assert_eq!(refusal(json!({})), format!("{head}: [spec.url: Required value, {blocked}]"));
    assert_eq!(
        refusal(json!({"url": "http://x/y", "interval": "soon"})),
        format!("{head}: spec.interval: Invalid value: \"soon\": spec.interval in body should match '^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$'")
    );
    assert_eq!(
        refusal(json!({"url": "http://x/y", "verify": {"mode": "Never", "secretRef": {"name": "x"}}})),
        format!(
            "{head}: [spec.verify.mode: Unsupported value: \"Never\": supported values: \"head\", \"HEAD\", \"Tag\", \"TagAndHEAD\", {blocked}]"
        )
    );
    assert_eq!(
        refusal(json!({"url": "http://x/y", "serviceAccountName": "z"})),
        format!("{head}: spec: Invalid value: serviceAccountName can only be set when provider is 'azure' or 'aws'")
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn takes_any_text(text in r"\PC{0,40}|[\[\]\\^{}:&~a-c0-9,-]{0,20}", other in r"[0-9a-fT:.+Zzhms @/<>-]{0,24}") {
        for (format, kind) in [("date-time", "string"), ("duration", "string"), ("uri", "string"), ("email", "string"), ("hostname", "string"), ("byte", "string"), ("uuid", "string")] {
            let schema = schema(&json!({"type": "object", "properties": {"a": {"type": kind, "format": format, "x-kubernetes-validations": [{"rule": "self == self"}]}}}));
            for text in [&text, &other] {
                let causes = schema.validate(&json!({"a": text}), None);
                proptest::prop_assert!(causes.len() <= 2);
            }
        }
        let map = kind("", "configmaps", Scope::Namespaced);
        let metadata = json!({"name": text, "namespace": other, "generateName": text, "labels": {text.as_str(): other}, "finalizers": [text]});
        let _ = validate_metadata(&map, &metadata, None);
    }
}
