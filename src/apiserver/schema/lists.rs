//! Lists that are sets or maps, and objects inside of objects.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Map, Value};

use super::{Cause, additional_props, item_props, joined, metadata, yes};

/// Calls `visit` with every part of a value that the schema knows.
fn walk(props: &JSONSchemaProps, value: &Value, path: &str, visit: &mut dyn FnMut(&JSONSchemaProps, &Value, &str)) {
    visit(props, value, path);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(props) = props.properties.as_ref().and_then(|known| known.get(name)) {
                    walk(props, value, &joined(path, name), visit);
                } else if let Some(props) = additional_props(props) {
                    walk(props, value, &format!("{path}[{name}]"), visit);
                }
            }
        }
        Value::Array(items) => {
            if let Some(props) = item_props(props) {
                for (index, item) in items.iter().enumerate() {
                    walk(props, item, &format!("{path}[{index}]"), visit);
                }
            }
        }
        _ => {}
    }
}

/// Finds what is in a set twice, or has the same keys as another item of a map.
pub(super) fn check(props: &JSONSchemaProps, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    walk(props, value, path, &mut |props, value, path| {
        let Value::Array(items) = value else { return };
        match props.x_kubernetes_list_type.as_deref() {
            Some("set") => repeated(items, path, causes),
            Some("map") => {
                if let Some(index) = items.iter().position(|item| !item.is_null() && !item.is_object()) {
                    let detail = "must be an object for an array of list-type map";
                    causes.push(Cause::invalid(&format!("{path}[{index}]"), &items[index], detail));
                    return;
                }
                let keys = props.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
                let key = |item: &Value, name: &String| item.get(name).map(|value| (name.clone(), value.clone()));
                let keyed: Vec<Value> =
                    items.iter().map(|item| keys.iter().filter_map(|name| key(item, name)).collect::<Map<_, _>>().into()).collect();
                repeated(&keyed, path, causes);
            }
            _ => {}
        }
    });
}

/// Tells the second of equal items, once.
fn repeated(items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let mut times = std::collections::HashMap::<&Value, u32>::new();
    for (index, item) in items.iter().enumerate() {
        let times = times.entry(item).or_default();
        *times += 1;
        if *times == 2 {
            causes.push(Cause::duplicate(&format!("{path}[{index}]"), item));
        }
    }
}

/// Checks the type and the metadata of embedded objects.
pub(super) fn check_embedded(props: &JSONSchemaProps, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    walk(props, value, path, &mut |props, value, path| {
        let Value::Object(fields) = value else { return };
        if !yes(props.x_kubernetes_embedded_resource) {
            return;
        }
        for name in ["apiVersion", "kind"] {
            let here = joined(path, name);
            match fields.get(name) {
                None => causes.push(Cause::required(&here, "")),
                Some(Value::String(text)) if text.is_empty() => causes.push(Cause::invalid(&here, &fields[name], "must not be empty")),
                Some(Value::String(text)) if name == "apiVersion" && text.matches('/').count() > 1 => {
                    causes.push(Cause::invalid(&here, &fields[name], &format!("unexpected GroupVersion string: {text}")));
                }
                Some(Value::String(text)) if name == "kind" => {
                    let wrong = metadata::dns_1035_label(&text.to_lowercase());
                    if !wrong.is_empty() {
                        let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                        causes.push(Cause::invalid(&here, &fields[name], &detail));
                    }
                }
                Some(Value::String(_)) => {}
                Some(other) => causes.push(Cause::invalid(&here, other, "must be a string")),
            }
        }
        if let Some(metadata) = fields.get("metadata") {
            causes.extend(metadata::validate_embedded(metadata, &joined(path, "metadata")));
        }
    });
}
