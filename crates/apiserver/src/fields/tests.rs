#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::{builtin, patch};

/// What a real server was asked and what it answered.
#[derive(Deserialize)]
struct Recorded {
    schema: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    resource: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    at: usize,
    op: String,
    manager: String,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    subresource: String,
    body: Value,
    /// How often the one operation of the body was sent.
    #[serde(default)]
    repeat: usize,
    /// The object before, where something else had changed it.
    live: Option<Value>,
    code: u16,
    answer: Value,
}

fn schemas(widget: Value) -> BTreeMap<String, JSONSchemaProps> {
    let crd = include_str!("../../../../config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml");
    let crd: Value = serde_saphyr::from_str(crd).unwrap();
    let built_in = builtin::kinds().into_iter().map(|kind| (kind.plural.clone(), kind.schema.props().clone()));
    let mut schemas: BTreeMap<_, _> = built_in.collect();
    let version = crd["spec"]["versions"].as_array().unwrap().iter().find(|version| version["name"] == "v1").unwrap();
    schemas.insert("gitrepositories".to_owned(), serde_json::from_value(version["schema"]["openAPIV3Schema"].clone()).unwrap());
    schemas.insert("widgets".to_owned(), serde_json::from_value(widget).unwrap());
    schemas
}

/// What is left of an object when what only a server sets is gone, and what is as good as not there.
fn content(object: &Value, subresource: &str) -> Value {
    fn bare(value: &Value) -> Option<Value> {
        match value {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::Object(map) => {
                let map: serde_json::Map<_, _> = map.iter().filter_map(|(k, v)| Some((k.clone(), bare(v)?))).collect();
                (!map.is_empty()).then_some(Value::Object(map))
            }
            Value::Array(items) => {
                let items: Vec<_> = items.iter().filter_map(bare).collect();
                (!items.is_empty()).then_some(Value::Array(items))
            }
            value => Some(value.clone()),
        }
    }
    if subresource == "status" {
        return bare(&object["status"]).unwrap_or_default();
    }
    let mut object = object.clone();
    with_defaults(&mut object);
    object.as_object_mut().unwrap().remove("status");
    for name in ["managedFields", "uid", "creationTimestamp", "generation", "namespace", "name", "resourceVersion"] {
        object["metadata"].as_object_mut().unwrap().remove(name);
    }
    bare(&object).unwrap_or_default()
}

/// What the server adds to the objects of the fixture and what it drops.
fn with_defaults(object: &mut Value) {
    for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        port.as_object_mut().unwrap().entry("protocol").or_insert("TCP".into());
    }
    for name in ["secrets", "imagePullSecrets"] {
        for item in object.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            item.as_object_mut().unwrap().retain(|name, _| name == "name");
        }
    }
    object.as_object_mut().unwrap().remove("q");
}

#[test]
fn does_as_a_real_server_did() {
    let recorded: Recorded = serde_json::from_str(include_str!("../../tests/fixtures/field-managers.json")).unwrap();
    let schemas = schemas(recorded.schema);
    let mut wrong = Vec::new();
    for case in &recorded.cases {
        let schema = &schemas[&case.resource];
        let has_status = ["widgets", "gitrepositories", "namespaces", "customresourcedefinitions"].contains(&case.resource.as_str());
        let mut last = Value::Null;
        for step in &case.steps {
            let live = step.live.as_ref().unwrap_or(&last);
            let told = replay(case, step, live, schema, has_status);
            if let Err(told) = told {
                wrong.push(format!("{} {}: {told}", case.name, step.at));
            }
            if step.code < 300 {
                last = step.answer.clone();
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

fn replay(case: &Case, step: &Step, live: &Value, schema: &JSONSchemaProps, has_status: bool) -> Result<(), String> {
    let versions = [
        ("widgets", "fields.example.com/v1"),
        ("gitrepositories", "source.toolkit.fluxcd.io/v1"),
        ("leases", "coordination.k8s.io/v1"),
        ("customresourcedefinitions", "apiextensions.k8s.io/v1"),
    ];
    let manager = Manager {
        name: step.manager.clone(),
        operation: if step.op == "apply" { Operation::Apply } else { Operation::Update },
        subresource: step.subresource.clone(),
        api_version: versions.iter().find(|(name, _)| *name == case.resource).map_or("v1", |(_, version)| version).to_owned(),
        time: format!("2026-01-01T00:00:{:02}Z", step.at),
    };
    let endpoint = match step.subresource.as_str() {
        "" if has_status => Endpoint::Main,
        "" => Endpoint::Whole,
        _ => Endpoint::Status,
    };
    let body = if step.repeat > 0 { Value::Array(vec![step.body[0].clone(); step.repeat]) } else { step.body.clone() };
    let message = step.answer["message"].as_str().unwrap_or_default();
    let same = |what: &str, ours: &Value, theirs: &Value| {
        if ours == theirs { Ok(()) } else { Err(format!("{what}\n  ours   {ours}\n  theirs {theirs}")) }
    };
    // Refused for what came out, which is for others to say.
    let later = step.code == 422 && !message.starts_with("the server rejected") || message.contains("was undeterminable");
    let new = if step.op == "apply" {
        let force = if step.force { Force::Yes } else { Force::No };
        match apply(live, &body, &manager, force, schema, endpoint) {
            Ok(new) => new,
            Err(error) => {
                same("message", &error.to_string().into(), &message.into())?;
                if let ApplyError::Conflicts(conflicts) = &error {
                    let mut theirs = step.answer["causes"].as_array().unwrap().clone();
                    theirs.sort_by_key(ToString::to_string);
                    let reason = |c: &Conflict| json!({ "reason": "FieldManagerConflict", "message": c.message, "field": c.field });
                    let mut ours: Vec<_> = conflicts.iter().map(reason).collect();
                    ours.sort_by_key(ToString::to_string);
                    return same("causes", &ours.into(), &theirs.into());
                }
                return Ok(());
            }
        }
    } else {
        let mut patched = live.clone();
        let result = match step.op.as_str() {
            "create" | "update" => {
                patched = body;
                Ok(())
            }
            "merge" => {
                patch::merge(&mut patched, &body);
                Ok(())
            }
            "json" => patch::json(&mut patched, &body),
            _ => patch::strategic(&mut patched, &body, &case.resource),
        };
        if let Err(error) = result {
            same("code", &error.code().into(), &step.code.into())?;
            return same("message", &error.to_string().into(), &message.into());
        }
        if step.code >= 300 {
            return if later { Ok(()) } else { Err(format!("was refused with {message}")) };
        }
        if !["create", "update"].contains(&step.op.as_str()) && case.name != "sec" {
            same("patched", &content(&patched, &step.subresource), &content(&step.answer, &step.subresource))?;
        }
        if case.resource == "widgets" {
            with_defaults(&mut patched);
        } else if case.resource != "serviceaccounts" {
            // Types, defaults and conversions.
            let given = patched.pointer("/metadata/managedFields").cloned();
            patched = step.answer.clone();
            patched["metadata"].as_object_mut().unwrap().remove("managedFields");
            if step.op == "create" {
                patched.as_object_mut().unwrap().remove("status");
                if case.resource == "namespaces" {
                    patched.as_object_mut().unwrap().remove("spec");
                }
            }
            if let Some(given) = given {
                patched["metadata"]["managedFields"] = given;
            }
        }
        updated(live, &mut patched, &manager, schema, endpoint);
        patched
    };
    if step.code >= 300 {
        return if later { Ok(()) } else { Err(format!("was refused with {message}")) };
    }
    let entries = |object: &Value| object.pointer("/metadata/managedFields").cloned().unwrap_or_default();
    same("managedFields", &entries(&new), &entries(&step.answer))?;
    let mut new = new;
    if case.resource == "gitrepositories" || case.resource == "customresourcedefinitions" || case.resource == "namespaces" {
        // Defaults.
        for pointer in ["/spec/timeout", "/spec/conversion", "/metadata/labels/kubernetes.io~1metadata.name", "/spec/finalizers"] {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            if let Some(value) = step.answer.pointer(pointer) {
                let parent = parent.split('/').skip(1).fold(&mut new, |at, part| &mut at[part]);
                parent[name.replace("~1", "/")] = value.clone();
            }
        }
    }
    if case.name == "sec" || step.op == "create" || step.op == "update" {
        return Ok(());
    }
    same("object", &content(&new, &step.subresource), &content(&step.answer, &step.subresource))
}

static SCHEMA: LazyLock<JSONSchemaProps> = LazyLock::new(|| {
    let recorded: Recorded = serde_json::from_str(include_str!("../../tests/fixtures/field-managers.json")).unwrap();
    serde_json::from_value(recorded.schema).unwrap()
});

fn by(name: &str, operation: Operation) -> Manager {
    let (subresource, api_version, time) = (String::new(), "fields.example.com/v1".to_owned(), "2026-01-01T00:00:00Z".to_owned());
    Manager { name: name.to_owned(), operation, subresource, api_version, time }
}

fn widget(spec: &Value) -> Value {
    json!({ "apiVersion": "fields.example.com/v1", "kind": "Widget", "metadata": { "name": "w" }, "spec": spec })
}

/// Specs that fit the schema of the fixture. Real servers forget who set an empty set or map of items, so there are none here.
fn specs() -> impl Strategy<Value = Value> {
    let text = || prop::sample::select(vec!["a", "b", "c"]);
    let map = || prop::collection::btree_map(text(), text(), 0..3);
    let set = prop::collection::btree_set(text(), 1..4).prop_shuffle_values();
    let named = prop::collection::btree_map(text(), (prop::option::of(text()), map()), 1..4).prop_map(|items| {
        let item = |(name, (value, opts)): (&str, (Option<&str>, BTreeMap<&str, &str>))| match value {
            Some(value) => {
                json!({ "name": name, "value": value, "opts": opts.into_iter().filter(|(k, _)| *k != "c").collect::<BTreeMap<_, _>>() })
            }
            None => json!({ "name": name }),
        };
        items.into_iter().map(item).collect::<Vec<_>>()
    });
    let deep = prop::collection::btree_map(text(), map().prop_map(|map| json!(map)), 0..3).prop_map(|deep| {
        let fit = |value: Value| {
            value
                .as_object()
                .unwrap()
                .iter()
                .filter(|(k, _)| *k != "c")
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect::<serde_json::Map<_, _>>()
        };
        deep.into_iter().map(|(name, value)| (name.to_owned(), Value::Object(fit(value)))).collect::<serde_json::Map<_, _>>()
    });
    let some = |name: &'static str, value: BoxedStrategy<Value>| prop::option::of(value).prop_map(move |value| (name, value));
    (
        some("mode", text().prop_map(Value::from).boxed()),
        some("extra", map().prop_map(|map| json!(map)).boxed()),
        some("whole", map().prop_map(|map| json!(map)).boxed()),
        some("free", deep.clone().prop_map(Value::Object).boxed()),
        some("deep", deep.prop_map(Value::Object).boxed()),
        some("tags", set.boxed()),
        some("named", named.prop_map(Value::from).boxed()),
        some("args", prop::collection::vec(text(), 0..3).prop_map(Value::from).boxed()),
    )
        .prop_map(|(a, b, c, d, e, f, g, h)| {
            [a, b, c, d, e, f, g, h]
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        })
}

/// Sets in any order.
trait Shuffled: Strategy<Value = BTreeSet<&'static str>> + Sized + 'static {
    fn prop_shuffle_values(self) -> BoxedStrategy<Value> {
        self.prop_map(|set| set.into_iter().collect::<Vec<_>>()).prop_shuffle().prop_map(Value::from).boxed()
    }
}

impl<S: Strategy<Value = BTreeSet<&'static str>> + 'static> Shuffled for S {}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn applying_the_same_again_changes_nothing(first in specs(), other in specs(), second in specs()) {
        let put = |live: &Value, name: &str, spec: &Value, at: &str| {
            let manager = Manager { time: at.to_owned(), ..by(name, Operation::Apply) };
            apply(live, &widget(spec), &manager, Force::Yes, &SCHEMA, Endpoint::Main).unwrap()
        };
        let live = put(&Value::Null, "alice", &first, "2026-01-01T00:00:00Z");
        let live = put(&live, "bob", &other, "2026-01-01T00:00:01Z");
        let live = put(&live, "alice", &second, "2026-01-01T00:00:02Z");
        // A real server refuses what has become null.
        prop_assume!(!live["spec"].to_string().contains("null"));
        prop_assert_eq!(&put(&live, "alice", &second, "2026-01-01T00:00:03Z"), &live);
    }

    #[test]
    fn what_another_owns_stays(first in specs(), other in specs()) {
        let root = Type::root(&SCHEMA);
        let put = |live: &Value, name: &str, spec: &Value| {
            apply(live, &widget(spec), &by(name, Operation::Apply), Force::Yes, &SCHEMA, Endpoint::Main).unwrap()
        };
        let live = put(&Value::Null, "alice", &first);
        let live = put(&live, "bob", &other);
        let owned = |live: &Value| Managed::of(live).unwrap().0.into_iter().find(|(id, _)| id.manager == "bob").map(|(_, entry)| entry.set);
        let theirs = owned(&live);
        let live = put(&live, "alice", &json!({}));
        prop_assert_eq!(&owned(&live), &theirs);
        let theirs = root.set_of(&widget(&other));
        prop_assert!(theirs.clone().difference(&root.with_named(&root.set_of(&live))).is_empty(), "{live}");
    }

    #[test]
    fn sets_are_read_as_written(spec in specs()) {
        let set = Type::root(&SCHEMA).set_of(&widget(&spec));
        prop_assert_eq!(Set::decode(&set.encode()).unwrap(), set);
    }

    #[test]
    fn nothing_changed_is_nothing_owned(spec in specs()) {
        let mut new = widget(&spec);
        updated(&Value::Null, &mut new, &by("carol", Operation::Update), &SCHEMA, Endpoint::Main);
        let old = new.clone();
        let later = Manager { time: "2026-01-01T00:00:09Z".to_owned(), ..by("dave", Operation::Update) };
        updated(&old, &mut new, &later, &SCHEMA, Endpoint::Main);
        prop_assert_eq!(&new, &old);
    }
}

#[test]
fn a_field_that_became_one_whole_is_owned_whole() {
    let mut entries = Managed::of(&json!({ "metadata": { "managedFields": [{
        "manager": "alice", "operation": "Apply", "apiVersion": "fields.example.com/v1", "fieldsType": "FieldsV1",
        "fieldsV1": { "f:spec": { "f:whole": { "f:a": {} }, "f:args": { ".": {}, "i:0": {} }, "f:extra": { "f:a": {} } } },
    }] } }))
    .unwrap();
    settle(&mut entries, Type::root(&SCHEMA));
    let mut object = json!({});
    entries.write(&mut object);
    let fields = json!({ "f:spec": { "f:whole": {}, "f:args": {}, "f:extra": { "f:a": {} } } });
    assert_eq!(object["metadata"]["managedFields"][0]["fieldsV1"], fields);
}

#[test]
fn garbage_in_managed_fields_is_not_kept() {
    for fields in [json!("x"), json!({ "f": {} }), json!({ "v:{": {} }), json!({ "i:x": {} }), json!({ "k:1": {} }), json!({ "nope": {} })]
    {
        let entry = json!({ "manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields });
        let mut new = widget(&json!({ "mode": "x" }));
        new["metadata"]["managedFields"] = json!([entry]);
        updated(&Value::Null, &mut new, &by("carol", Operation::Update), &SCHEMA, Endpoint::Main);
        assert_eq!(new["metadata"]["managedFields"][0]["manager"], "carol", "{fields}");
        assert_eq!(new["metadata"]["managedFields"].as_array().unwrap().len(), 1);
    }
}
