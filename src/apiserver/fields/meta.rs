//! What the metadata of all objects looks like, as far as field ownership asks. Custom kinds do not say.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Map, Value, json};

/// A string.
pub(super) static STRING: LazyLock<JSONSchemaProps> = LazyLock::new(|| of(json!({ "type": "string" })));

/// The metadata of every object.
pub(super) static OBJECT_META: LazyLock<JSONSchemaProps> = LazyLock::new(|| {
    let each = |names: &str, schema: Value| names.split(' ').map(|name| (name.to_owned(), schema.clone())).collect::<Map<_, _>>();
    let (text, flag) = (json!({ "type": "string" }), json!({ "type": "boolean" }));
    let mut owner = each("apiVersion kind name uid", text.clone());
    owner.extend(each("blockOwnerDeletion controller", flag));
    let owner = json!({ "type": "object", "x-kubernetes-map-type": "atomic", "properties": owner });
    let mut meta = each("generateName name namespace resourceVersion selfLink uid", text.clone());
    meta.extend(each("creationTimestamp deletionTimestamp", json!({ "type": "string", "format": "date-time" })));
    meta.extend(each("generation deletionGracePeriodSeconds", json!({ "type": "integer" })));
    meta.extend(each("annotations labels", json!({ "type": "object", "additionalProperties": text })));
    meta.extend(each("finalizers", json!({ "type": "array", "items": text, "x-kubernetes-list-type": "set" })));
    let owners = json!({ "type": "array", "items": owner, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"] });
    meta.extend(each("ownerReferences", owners));
    meta.extend(each("managedFields", json!({ "type": "array", "items": { "type": "object" } })));
    of(json!({ "type": "object", "properties": meta }))
});

fn of(schema: Value) -> JSONSchemaProps {
    serde_json::from_value(schema).unwrap_or_default()
}
