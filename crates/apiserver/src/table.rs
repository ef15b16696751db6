//! What `kubectl get` shows: a row for each object, with the columns of its kind.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    builtin,
    kind::{Kind, Origin},
};

mod age;
mod path;

/// What a row has of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl Include {
    /// From the parameter `includeObject`, which may be empty. The error is what clients are told.
    pub fn parse(parameter: &str) -> Result<Self, String> {
        match parameter {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::None),
            other => Err(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {}: must be 'Metadata', 'Object', 'None', or empty",
                headwater_golang::json::string(other)
            )),
        }
    }
}

/// A column: its definition, and what it takes from an object.
struct Column {
    definition: Value,
    cell: Cell,
}

/// What a cell is taken from.
enum Cell {
    /// Of the built-in kinds.
    Of(fn(&Value, DateTime<Utc>) -> Value),
    /// A place in the object, and the type to show it as.
    At(Option<path::Path>, String),
}

/// The table of these objects: with `list_metadata` as its own, ages as of `now`.
#[expect(clippy::needless_pass_by_value, reason = "it becomes part of the table")]
pub fn table(kind: &Kind, objects: &[Value], list_metadata: Value, include: Include, now: DateTime<Utc>) -> Value {
    let columns = columns(kind);
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|column| column.cell.of(object, now)).collect();
            let object = match include {
                Include::None => Value::Null,
                Include::Metadata => {
                    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
                }
                Include::Object => object.clone(),
            };
            json!({"cells": cells, "object": object})
        })
        .collect();
    let definitions: Vec<Value> = columns.into_iter().map(|column| column.definition).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

impl Cell {
    fn of(&self, object: &Value, now: DateTime<Utc>) -> Value {
        match self {
            Self::Of(cell) => cell(object, now),
            Self::At(place, shown_as) => {
                place.as_ref().and_then(|place| place.first(object)).map_or(Value::Null, |found| path::show(found, shown_as, now))
            }
        }
    }
}

fn columns(kind: &Kind) -> Vec<Column> {
    if kind.origin == Origin::Custom {
        return custom_columns(kind);
    }
    let definition = |name: &str| builtin::definition_name(&kind.version, name).unwrap_or_default();
    let of_name = || column("Name", "string", 0, builtin::description(builtin::OBJECT_META, "name"), |o, _| o["metadata"]["name"].clone());
    let of_age =
        || column("Age", "string", 0, builtin::description(builtin::OBJECT_META, "creationTimestamp"), |o, now| age::of(&created(o), now));
    match kind.kind.as_str() {
        "Namespace" => {
            vec![of_name(), column("Status", "string", 0, "The status of the namespace", |o, _| text(&o["status"]["phase"])), of_age()]
        }
        "Secret" => {
            let secret = definition("Secret");
            vec![
                of_name(),
                column("Type", "string", 0, builtin::description(secret, "type"), |o, _| text(&o["type"])),
                column("Data", "string", 0, builtin::description(secret, "data"), |o, _| count(&o["data"]).into()),
                of_age(),
            ]
        }
        "ConfigMap" => vec![
            of_name(),
            column("Data", "string", 0, builtin::description(definition("ConfigMap"), "data"), |o, _| {
                (count(&o["data"]) + count(&o["binaryData"])).into()
            }),
            of_age(),
        ],
        "Event" => event_columns(definition("Event"), definition("ObjectReference")),
        "Lease" => vec![
            of_name(),
            column("Holder", "string", 0, builtin::description(definition("LeaseSpec"), "holderIdentity"), |o, _| {
                text(&o["spec"]["holderIdentity"])
            }),
            of_age(),
        ],
        "CustomResourceDefinition" => {
            let about = builtin::description(builtin::OBJECT_META, "creationTimestamp");
            vec![of_name(), column("Created At", "date", 0, about, |o, _| created(o))]
        }
        _ => vec![of_name(), of_age()],
    }
}

fn event_columns(event: &str, reference: &str) -> Vec<Column> {
    let about = |field| builtin::description(event, field);
    vec![
        column("Last Seen", "string", 0, about("lastTimestamp"), |o, now| match &o["series"] {
            Value::Null => [&o["lastTimestamp"], &o["firstTimestamp"], &o["eventTime"]]
                .into_iter()
                .find(|time| time.is_string())
                .map_or_else(|| age::of(&Value::Null, now), |time| age::of(time, now)),
            series => age::of(&series["lastObservedTime"], now),
        }),
        column("Type", "string", 0, about("type"), |o, _| text(&o["type"])),
        column("Reason", "string", 0, about("reason"), |o, _| text(&o["reason"])),
        column("Object", "string", 0, about("involvedObject"), |o, _| {
            let (kind, name) = (&o["involvedObject"]["kind"], o["involvedObject"]["name"].as_str().unwrap_or_default());
            let kind = kind.as_str().unwrap_or_default().to_lowercase();
            if name.is_empty() { kind.into() } else { format!("{kind}/{name}").into() }
        }),
        column("Subobject", "string", 1, builtin::description(reference, "fieldPath"), |o, _| text(&o["involvedObject"]["fieldPath"])),
        column("Source", "string", 1, about("source"), |o, _| {
            let either =
                |a: &Value, b: &Value| [a, b].into_iter().filter_map(Value::as_str).find(|s| !s.is_empty()).unwrap_or("").to_owned();
            let component = either(&o["source"]["component"], &o["reportingComponent"]);
            let instance = either(&o["source"]["host"], &o["reportingInstance"]);
            if instance.is_empty() { component.into() } else { format!("{component}, {instance}").into() }
        }),
        column("Message", "string", 0, about("message"), |o, _| o["message"].as_str().unwrap_or_default().trim().into()),
        column("First Seen", "string", 1, about("firstTimestamp"), |o, now| {
            age::of(if o["firstTimestamp"].is_string() { &o["firstTimestamp"] } else { &o["eventTime"] }, now)
        }),
        column("Count", "string", 1, about("count"), |o, _| {
            let series = o["series"].as_object().map(|series| series.get("count").and_then(Value::as_i64).unwrap_or_default());
            series.unwrap_or_else(|| o["count"].as_i64().filter(|count| *count != 0).unwrap_or(1)).into()
        }),
        column("Name", "string", 1, builtin::description(builtin::OBJECT_META, "name"), |o, _| o["metadata"]["name"].clone()),
    ]
}

fn column(name: &str, shown_as: &str, priority: i32, description: &str, cell: fn(&Value, DateTime<Utc>) -> Value) -> Column {
    let format = if name == "Name" { "name" } else { "" };
    Column { definition: define(name, shown_as, format, description, priority), cell: Cell::Of(cell) }
}

fn define(name: &str, shown_as: &str, format: &str, description: &str, priority: i32) -> Value {
    json!({"name": name, "type": shown_as, "format": format, "description": description, "priority": priority})
}

fn custom_columns(kind: &Kind) -> Vec<Column> {
    let mut out =
        vec![column("Name", "string", 0, builtin::description(builtin::OBJECT_META, "name"), |o, _| o["metadata"]["name"].clone())];
    if kind.columns.is_empty() {
        let about = builtin::description(builtin::OBJECT_META, "creationTimestamp");
        out.push(column("Age", "date", 0, about, |o, now| age::of(&created(o), now)));
    }
    out.extend(kind.columns.iter().map(|column| {
        let about = match column.description.as_deref() {
            None | Some("") => format!("Custom resource definition column (in JSONPath format): {}", column.json_path),
            Some(description) => description.to_owned(),
        };
        let format = column.format.as_deref().unwrap_or_default();
        Column {
            definition: define(&column.name, &column.type_, format, &about, column.priority.unwrap_or_default()),
            cell: Cell::At(path::Path::parse(&column.json_path), column.type_.clone()),
        }
    }));
    out
}

fn created(object: &Value) -> Value {
    object["metadata"]["creationTimestamp"].clone()
}

fn text(value: &Value) -> Value {
    value.as_str().unwrap_or_default().into()
}

fn count(map: &Value) -> usize {
    map.as_object().map_or(0, serde_json::Map::len)
}

#[cfg(test)]
mod tests;
