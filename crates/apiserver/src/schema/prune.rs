//! Removes what a schema does not know.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::{field_props, item_props, joined, metadata, yes};

/// Removes what `props` does not know and answers the paths: first those in the metadata, then the others, each sorted.
pub(super) fn prune(props: &JSONSchemaProps, object: &mut Value) -> Vec<String> {
    let mut unknown = object.get_mut("metadata").map(|metadata| metadata::prune(metadata, "metadata")).unwrap_or_default();
    let mut fields = Vec::new();
    known_only(object, Some(props), preserves(props), "", &mut fields);
    fields.sort();
    unknown.extend(fields);
    unknown
}

/// `keep` says that unknown fields stay.
fn known_only(value: &mut Value, props: Option<&JSONSchemaProps>, keep: bool, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.retain(|name, value| {
            let whole = path.is_empty() || props.is_some_and(|props| yes(props.x_kubernetes_embedded_resource));
            if whole && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                return true;
            }
            let here = joined(path, name);
            let known = props.and_then(|props| field_props(props, name));
            if known.is_some() || props.is_some_and(|props| props.additional_properties.is_some()) {
                known_only(value, known, known.is_some_and(preserves), &here, unknown);
            } else if !keep {
                unknown.push(here);
                return false;
            }
            true
        }),
        Value::Array(items) => {
            let props = props.and_then(item_props);
            if props.is_none() && keep {
                return;
            }
            for (index, item) in items.iter_mut().enumerate() {
                known_only(item, props, keep || props.is_some_and(preserves), &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

fn preserves(props: &JSONSchemaProps) -> bool {
    yes(props.x_kubernetes_preserve_unknown_fields)
}
