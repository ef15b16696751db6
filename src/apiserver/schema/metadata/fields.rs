//! The fields of metadata and their types.

use chrono::DateTime;
use serde_json::Value;

/// What a field holds, with the names that Go has for it.
enum Holds {
    Text(&'static str),
    Number,
    Flag,
    Time,
    /// Texts by name.
    Texts,
    /// A list of texts.
    List,
    /// A list of records.
    Records(&'static str, &'static [(&'static str, Holds)]),
    Anything,
}

const TEXT: Holds = Holds::Text("string");
const UID: Holds = Holds::Text("types.UID");

const OWNER: &[(&str, Holds)] =
    &[("apiVersion", TEXT), ("kind", TEXT), ("name", TEXT), ("uid", UID), ("controller", Holds::Flag), ("blockOwnerDeletion", Holds::Flag)];

const MANAGED_FIELDS: &[(&str, Holds)] = &[
    ("manager", TEXT),
    ("operation", Holds::Text("v1.ManagedFieldsOperationType")),
    ("apiVersion", TEXT),
    ("time", Holds::Time),
    ("fieldsType", TEXT),
    ("fieldsV1", Holds::Anything),
    ("subresource", TEXT),
];

const FIELDS: &[(&str, Holds)] = &[
    ("name", TEXT),
    ("generateName", TEXT),
    ("namespace", TEXT),
    ("selfLink", TEXT),
    ("uid", UID),
    ("resourceVersion", TEXT),
    ("generation", Holds::Number),
    ("creationTimestamp", Holds::Time),
    ("deletionTimestamp", Holds::Time),
    ("deletionGracePeriodSeconds", Holds::Number),
    ("labels", Holds::Texts),
    ("annotations", Holds::Texts),
    ("ownerReferences", Holds::Records("v1.OwnerReference", OWNER)),
    ("finalizers", Holds::List),
    ("managedFields", Holds::Records("v1.ManagedFieldsEntry", MANAGED_FIELDS)),
];

/// Removes fields that do not exist and answers their paths.
pub(in super::super) fn prune(metadata: &mut Value, path: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    known_only(metadata, FIELDS, path, &mut unknown);
    unknown
}

fn known_only(value: &mut Value, known: &[(&str, Holds)], path: &str, unknown: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    fields.retain(|name, value| {
        let Some((_, holds)) = known.iter().find(|(known, _)| known == name) else {
            unknown.push(format!("{path}.{name}"));
            return false;
        };
        if let (Holds::Records(_, known), Value::Array(records)) = (holds, value) {
            for (index, record) in records.iter_mut().enumerate() {
                known_only(record, known, &format!("{path}.{name}[{index}]"), unknown);
            }
        }
        true
    });
}

/// Why metadata cannot be read at all, in the words of the server: `json: cannot unmarshal number into Go struct field ObjectMeta.name of type string`.
/// None if it can.
pub fn misfit(metadata: &Value) -> Option<String> {
    match metadata {
        Value::Null => None,
        Value::Object(_) => record(metadata, FIELDS, "ObjectMeta."),
        other => Some(format!("json: cannot unmarshal {} into Go value of type v1.ObjectMeta", name(other))),
    }
}

fn record(value: &Value, known: &[(&str, Holds)], path: &str) -> Option<String> {
    let mut fields = value.as_object()?.iter().filter(|(_, value)| !value.is_null());
    fields.find_map(|(name, value)| field(&known.iter().find(|(known, _)| known == name)?.1, value, &format!("{path}{name}")))
}

fn field(holds: &Holds, value: &Value, path: &str) -> Option<String> {
    let wanted =
        |wanted: &str, value: &Value| Some(format!("json: cannot unmarshal {} into Go struct field {path} of type {wanted}", name(value)));
    let no_text = |value: &&Value| !value.is_string() && !value.is_null();
    match (holds, value) {
        (Holds::Anything, _) | (Holds::Text(_), Value::String(_)) | (Holds::Flag, Value::Bool(_)) => None,
        (Holds::Text(go), _) => wanted(go, value),
        (Holds::Flag, _) => wanted("bool", value),
        (Holds::Number, Value::Number(number)) if number.is_i64() => None,
        (Holds::Number, Value::Number(number)) => {
            Some(format!("json: cannot unmarshal number {number} into Go struct field {path} of type int64"))
        }
        (Holds::Number, _) => wanted("int64", value),
        (Holds::Time, Value::String(text)) => DateTime::parse_from_rfc3339(text).is_err().then(|| {
            let quoted = super::super::quoted(text);
            format!("parsing time {quoted} as \"2006-01-02T15:04:05Z07:00\": cannot parse {quoted} as \"2006\"")
        }),
        (Holds::Time, _) => wanted("string", value),
        (Holds::Texts, Value::Object(texts)) => wanted("string", texts.values().find(no_text)?),
        (Holds::Texts, _) => wanted("map[string]string", value),
        (Holds::List, Value::Array(items)) => wanted("string", items.iter().find(no_text)?),
        (Holds::List, _) => wanted("[]string", value),
        (Holds::Records(go, known), Value::Array(items)) => items.iter().find_map(|item| {
            if !item.is_object() && !item.is_null() {
                return wanted(go, item);
            }
            // Go names the type of the record, then the path from the whole.
            let list = path.rsplit('.').next().unwrap_or_default();
            record(item, known, &format!("{}.{list}.", go.trim_start_matches("v1.")))
        }),
        (Holds::Records(go, _), _) => wanted(&format!("[]{go}"), value),
    }
}

/// What Go's decoder calls a value.
fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
