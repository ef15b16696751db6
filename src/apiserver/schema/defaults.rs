//! Default values.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::{Cause, Schema, additional_props, field_props, item_props, joined, values, yes};

/// Removes nulls that are not allowed and have no default.
pub(super) fn remove_nulls(props: &JSONSchemaProps, value: &mut Value) {
    match value {
        Value::Object(fields) => fields.retain(|name, value| {
            let Some(props) = field_props(props, name) else { return true };
            remove_nulls(props, value);
            !value.is_null() || yes(props.nullable) || props.default.is_some()
        }),
        Value::Array(items) => {
            if let Some(props) = item_props(props) {
                for item in items {
                    remove_nulls(props, item);
                }
            }
        }
        _ => {}
    }
}

/// Fills in what is missing, or null where that is not allowed.
pub(super) fn fill(props: &JSONSchemaProps, value: &mut Value) {
    let replace_null = |props: &JSONSchemaProps, value: &mut Value| {
        if let Some(default) = props.default.as_ref().filter(|_| value.is_null() && !yes(props.nullable)) {
            *value = default.0.clone();
        }
        fill(props, value);
    };
    match value {
        Value::Object(fields) => {
            for (name, props) in props.properties.iter().flatten() {
                if let Some(default) = props.default.as_ref().filter(|default| !default.0.is_null())
                    && !fields.contains_key(name)
                {
                    fields.insert(name.clone(), default.0.clone());
                }
            }
            for (name, value) in fields {
                if let Some(props) = field_props(props, name) {
                    replace_null(props, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(props) = item_props(props) {
                for item in items {
                    replace_null(props, item);
                }
            }
        }
        _ => {}
    }
}

/// What is wrong with the defaults themselves.
pub(super) fn wrong(schema: &Schema) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(schema, &schema.props, "spec.validation.openAPIV3Schema", &mut causes);
    causes
}

fn check(schema: &Schema, props: &JSONSchemaProps, path: &str, causes: &mut Vec<Cause>) {
    if let Some(default) = props.default.as_ref().map(|default| &default.0) {
        let path = format!("{path}.default");
        let mut pruned = serde_json::json!({ "default": default });
        let wrapper = JSONSchemaProps { properties: Some([("default".to_owned(), props.clone())].into()), ..JSONSchemaProps::default() };
        if !super::prune::prune(&wrapper, &mut pruned).is_empty() {
            causes.push(Cause::invalid(&path, default, "must not have unknown fields"));
        }
        for mut cause in values::check(schema, props, default, None) {
            cause.field = if cause.field == "<nil>" { path.clone() } else { joined(&path, &cause.field) };
            causes.push(cause);
        }
    }
    for (name, props) in props.properties.iter().flatten() {
        check(schema, props, &format!("{path}.properties[{name}]"), causes);
    }
    if let Some(props) = additional_props(props) {
        check(schema, props, &format!("{path}.additionalProperties"), causes);
    }
    if let Some(props) = item_props(props) {
        check(schema, props, &format!("{path}.items"), causes);
    }
}
