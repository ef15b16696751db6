//! Removes what a schema does not know.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::{field_props, item_props, joined, metadata, yes};

/// Fields that every object has.
const TYPE_AND_METADATA: &[&str] = &["apiVersion", "kind", "metadata"];

/// Removes what `props` does not know and answers the paths: first those in the metadata, then the others, each sorted.
pub(super) fn prune(props: &JSONSchemaProps, object: &mut Value) -> Vec<String> {
    let mut unknown = object.get_mut("metadata").map(|metadata| metadata::prune(metadata, "metadata")).unwrap_or_default();
    let mut fields = Vec::new();
    let mut embedded = Vec::new();
    known_only(object, Some(props), preserves(props), "", &mut fields);
    embedded_metadata(object, props, "", &mut embedded);
    for mut paths in [fields, embedded] {
        paths.sort();
        unknown.extend(paths);
    }
    unknown
}

/// `keep` says that unknown fields stay.
fn known_only(value: &mut Value, props: Option<&JSONSchemaProps>, keep: bool, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.retain(|name, value| {
            let embedded = path.is_empty() || props.is_some_and(|props| yes(props.x_kubernetes_embedded_resource));
            if embedded && TYPE_AND_METADATA.contains(&name.as_str()) {
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

fn embedded_metadata(value: &mut Value, props: &JSONSchemaProps, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let here = joined(path, name);
                if name == "metadata" && yes(props.x_kubernetes_embedded_resource) {
                    unknown.extend(metadata::prune(value, &here));
                } else if let Some(props) = field_props(props, name) {
                    embedded_metadata(value, props, &here, unknown);
                }
            }
        }
        Value::Array(items) => {
            if let Some(props) = item_props(props) {
                for (index, item) in items.iter_mut().enumerate() {
                    embedded_metadata(item, props, &format!("{path}[{index}]"), unknown);
                }
            }
        }
        _ => {}
    }
}
