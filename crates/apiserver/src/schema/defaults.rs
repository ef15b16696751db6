//! Default values.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::{field_props, item_props, yes};

/// Fills in what is missing. A null that is not allowed counts as missing.
pub(super) fn fill(props: &JSONSchemaProps, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, props) in props.properties.iter().flatten() {
                if let Some(default) = props.default.as_ref().filter(|default| !default.0.is_null() && !fields.contains_key(name)) {
                    fields.insert(name.clone(), default.0.clone());
                }
            }
            fields.retain(|name, value| {
                let Some(props) = field_props(props, name) else { return true };
                replace_null(props, value);
                fill(props, value);
                !value.is_null() || yes(props.nullable)
            });
        }
        Value::Array(items) => {
            if let Some(props) = item_props(props) {
                for item in items {
                    replace_null(props, item);
                    fill(props, item);
                }
            }
        }
        _ => {}
    }
}

fn replace_null(props: &JSONSchemaProps, value: &mut Value) {
    if let Some(default) = props.default.as_ref().filter(|_| value.is_null() && !yes(props.nullable)) {
        *value = default.0.clone();
    }
}
