//! The generated definitions in `config/crd/bases` are what the types say, and hold what an API server accepts.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{env, fs, path::PathBuf};

use headwater_api::crd;
use serde_json::Value;

fn file(plural: &str, group: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../config/crd/bases/{group}_{plural}.yaml"))
}

#[test]
fn generated_files_are_current() {
    for crd in crd::all() {
        let path = file(&crd.spec.names.plural, &crd.spec.group);
        let text = crd::yaml(&crd).unwrap();
        if env::var_os("UPDATE_CRDS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        assert!(
            fs::read_to_string(&path).is_ok_and(|old| old == text),
            "{} is stale; regenerate it with\n\n    UPDATE_CRDS=1 cargo test -p headwater-api --test crd\n",
            path.display(),
        );
    }
}

#[test]
fn the_yaml_says_what_the_definition_says() {
    for crd in crd::all() {
        let read: Value = serde_saphyr::from_str(&crd::yaml(&crd).unwrap()).unwrap();
        assert_eq!(read, serde_json::to_value(&crd).unwrap());
    }
}

/// What a structural schema may consist of, among what the types use.
const KEYS: [&str; 15] = [
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxLength",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-validations",
    "x-kubernetes-preserve-unknown-fields",
];

fn check(at: &str, schema: &Value) {
    let fields = schema.as_object().unwrap_or_else(|| unreachable!("{at} is no schema: {schema}"));
    assert!(fields["type"].is_string(), "{at} has no type");
    for (key, value) in fields {
        assert!(KEYS.contains(&key.as_str()), "{at} has {key}: {value}");
    }
    for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
        check(&format!("{at}.{name}"), property);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get(key) {
            check(&format!("{at}.{key}"), inner);
        }
    }
}

#[test]
fn schemas_are_structural() {
    for crd in crd::all() {
        for version in serde_json::to_value(&crd).unwrap()["spec"]["versions"].as_array().unwrap() {
            check(&crd.spec.names.kind, &version["schema"]["openAPIV3Schema"]);
        }
    }
}
