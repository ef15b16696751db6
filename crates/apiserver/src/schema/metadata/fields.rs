//! The fields of metadata and their types.

use chrono::DateTime;
use headwater_golang::quote;
use serde_json::{Map, Value};

use crate::builtin::{OBJECT_META, REFERENCE, definitions};
use crate::patch::json_type;

/// Removes fields that do not exist and answers their paths.
pub(in super::super) fn prune(metadata: &mut Value, path: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    known_only(&definitions()[OBJECT_META], metadata, path, &mut unknown);
    unknown
}

fn known_only(definition: &Value, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let Some(known) = definition["properties"].as_object() else { return };
            fields.retain(|name, value| {
                let here = format!("{path}.{name}");
                match known.get(name) {
                    Some(known) => known_only(resolved(known).0, value, &here, unknown),
                    None => unknown.push(here),
                }
                known.contains_key(name)
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                known_only(resolved(&definition["items"]).0, item, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Why metadata cannot be read at all, in the words of the server: `json: cannot unmarshal number into Go struct field ObjectMeta.name of type string`.
/// None if it can.
pub fn misfit(metadata: &Value) -> Option<String> {
    match metadata {
        Value::Null => None,
        Value::Object(fields) => record(&definitions()[OBJECT_META], fields, "ObjectMeta"),
        other => Some(format!("json: cannot unmarshal {} into Go value of type v1.ObjectMeta", json_type(other))),
    }
}

fn record(definition: &Value, fields: &Map<String, Value>, path: &str) -> Option<String> {
    fields.iter().find_map(|(name, value)| field(definition["properties"].get(name)?, value, &format!("{path}.{name}")))
}

fn field(definition: &Value, value: &Value, path: &str) -> Option<String> {
    let (found, named) = resolved(definition);
    match (found["type"].as_str()?, value) {
        ("string", Value::String(text)) if found["format"] == "date-time" => DateTime::parse_from_rfc3339(text).is_err().then(|| {
            let quoted = quote(text);
            format!("parsing time {quoted} as \"2006-01-02T15:04:05Z07:00\": cannot parse {quoted} as \"2006\"")
        }),
        (_, Value::Null) | ("string", Value::String(_)) | ("boolean", Value::Bool(_)) => None,
        ("integer", Value::Number(number)) if number.is_i64() => None,
        ("integer", Value::Number(number)) => {
            Some(format!("json: cannot unmarshal number {number} into Go struct field {path} of type int64"))
        }
        ("array", Value::Array(items)) => items.iter().find_map(|item| field(&found["items"], item, path)),
        ("object", Value::Object(fields)) => match found.get("additionalProperties") {
            Some(each) => fields.values().find_map(|value| field(each, value, path)),
            // Go names the type of the record, then the path from the whole.
            None => record(found, fields, &format!("{}.{}", named.rsplit('.').next()?, path.rsplit('.').next()?)),
        },
        _ => Some(format!("json: cannot unmarshal {} into Go struct field {path} of type {}", json_type(value), go_type(definition))),
    }
}

/// A definition, or the one that it refers to with the name of that.
fn resolved(definition: &Value) -> (&Value, &str) {
    let reference = definition["$ref"].as_str().or_else(|| definition["allOf"][0]["$ref"].as_str());
    let named = reference.and_then(|reference| reference.strip_prefix(REFERENCE)).unwrap_or_default();
    (definitions().get(named).unwrap_or(definition), named)
}

/// What Go calls the type of a field.
fn go_type(definition: &Value) -> String {
    let (found, named) = resolved(definition);
    match found["type"].as_str().unwrap_or_default() {
        "integer" => "int64".to_owned(),
        "boolean" => "bool".to_owned(),
        "array" => format!("[]{}", go_type(&found["items"])),
        "object" if named.is_empty() => "map[string]string".to_owned(),
        "object" => format!("v1.{}", named.rsplit('.').next().unwrap_or_default()),
        other => other.to_owned(),
    }
}
