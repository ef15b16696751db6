#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn merges_as_the_rfc_says() {
    let cases = [
        (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
        (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
        (json!({ "a": "b" }), json!({ "a": null }), json!({})),
        (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
        (json!({ "a": { "b": "c" } }), json!({ "a": { "b": "d", "c": null } }), json!({ "a": { "b": "d" } })),
        (json!({ "a": [{ "b": "c" }] }), json!({ "a": [1] }), json!({ "a": [1] })),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({ "a": "b" }), json!(null), json!(null)),
        (json!({ "e": null }), json!({ "a": 1 }), json!({ "e": null, "a": 1 })),
        (json!([1, 2]), json!({ "a": "b", "c": null }), json!({ "a": "b" })),
        (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
    ];
    for (mut target, patch, wanted) in cases {
        merge(&mut target, &patch);
        assert_eq!(target, wanted, "{patch}");
    }
}

#[test]
fn a_json_patch_is_made_whole_or_not_at_all() {
    let mut target = json!({ "a": [1, 2], "b": {} });
    let ops = json!([{ "op": "add", "path": "/a/-", "value": 3 }, { "op": "test", "path": "/b", "value": 1 }]);
    assert_eq!(json(&mut target, &ops), Err(PatchError::Unfit));
    assert_eq!(target, json!({ "a": [1, 2], "b": {} }));
    json(&mut target, &json!([{ "op": "move", "from": "/a/0", "path": "/a/1" }, { "op": "replace", "path": "/b", "value": [] }])).unwrap();
    assert_eq!(target, json!({ "a": [2, 1], "b": [] }));
}

#[test]
fn copies_do_not_grow_without_bound() {
    let mut target = json!({ "a": { "x": "v".repeat(1000) } });
    let ops: Vec<_> = (0..40).map(|n| json!({ "op": "copy", "from": "/a", "path": format!("/a/{n}") })).collect();
    assert_eq!(json(&mut target, &ops.into()), Err(PatchError::Unfit));
    assert!(target.to_string().len() < 2000);
}

#[test]
fn operations_do_not_nest_without_bound() {
    let add = |path: &str, value: Value| json!({ "op": "add", "path": path, "value": value });
    let chain = (0..60).fold(json!({}), |inner, _| json!({ "a": inner }));
    let bottom = "/a".repeat(60);
    for op in ["move", "copy"] {
        let mut target = json!({ "x": {} });
        let ops = json!([add("/x", chain.clone()), add("/y", chain.clone()), { "op": op, "from": "/x", "path": format!("/y{bottom}/b") }]);
        json(&mut target, &ops).unwrap();
        let ops = json!([add("/x", chain.clone()), { "op": op, "from": "/y", "path": format!("/x{bottom}/b") }]);
        assert_eq!(json(&mut target, &ops), Err(PatchError::Unfit), "{op}");
    }
    let mut target = json!({});
    let ops: Vec<_> = (0..50).map(|depth| add(&format!("{}/a", bottom.repeat(depth)), chain.clone())).collect();
    assert_eq!(json(&mut target, &ops.into()), Err(PatchError::Unfit));
}

#[test]
fn what_is_no_json_patch_is_malformed() {
    for (ops, told) in [
        (json!({}), "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (json!([1]), "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        (json!([{ "op": [] }]), "error decoding patch: json: cannot unmarshal array into Go struct field jsonPatchOp.op of type string"),
    ] {
        let error = json(&mut json!({}), &ops).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.code()), (told, 400));
    }
}

#[test]
fn lists_of_custom_fields_are_replaced() {
    let mut target = json!({ "spec": { "versions": [{ "name": "v1" }] }, "metadata": { "finalizers": ["a"] } });
    let patch = json!({ "spec": { "versions": [{ "name": "v2" }] }, "metadata": { "finalizers": ["b"] } });
    strategic(&mut target, &patch, "customresourcedefinitions.apiextensions.k8s.io").unwrap();
    assert_eq!(target, json!({ "spec": { "versions": [{ "name": "v2" }] }, "metadata": { "finalizers": ["b", "a"] } }));
    assert_eq!(strategic(&mut target, &json!([]), "secrets").unwrap_err().code(), 400);
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), "[a-c]".prop_map(Value::from)];
    let key = prop::sample::select(vec![
        "metadata",
        "finalizers",
        "ownerReferences",
        "uid",
        "$patch",
        "$retainKeys",
        "$setElementOrder/finalizers",
        "$setElementOrder/ownerReferences",
        "$deleteFromPrimitiveList/finalizers",
        "op",
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_patch_is_made_or_refused(target in values(), patch in values()) {
        for resource in ["configmaps", "namespaces"] {
            let mut made = target.clone();
            if strategic(&mut made, &patch, resource).is_err() {
                prop_assert_eq!(&made, &target);
            }
        }
        let mut made = target.clone();
        if json(&mut made, &patch).is_err() {
            prop_assert_eq!(&made, &target);
        }
    }

    #[test]
    fn a_merge_made_again_changes_nothing(target in values(), patch in values()) {
        let mut once = target;
        merge(&mut once, &patch);
        let mut twice = once.clone();
        merge(&mut twice, &patch);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn any_operation_is_made_or_refused(target in values(), op in "add|remove|replace|move|copy|test", path in "(/[a-c0-2-]|/metadata|/finalizers|){0,3}", from in "(/[a-c0-2-]|/metadata|/finalizers){0,3}", value in values()) {
        let mut made = target.clone();
        let ops = serde_json::json!([{ "op": op, "path": path, "from": from, "value": value }]);
        if json(&mut made, &ops).is_err() {
            prop_assert_eq!(&made, &target);
        }
    }
}
