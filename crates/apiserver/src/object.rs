//! What an API server itself writes into objects. Pure.

use chrono::{SecondsFormat, Utc};
use rand::RngExt as _;
use serde_json::{Map, Value, json};

use super::kind::{Generation, Kind, Origin, Status};

/// What names are completed with: no vowels, so that no words come about.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Fields of the metadata that a client cannot change, and may leave out.
const SYSTEM: [&str; 5] = ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"];

/// The time of now as objects hold it.
pub fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A name that starts with `prefix`.
pub fn generated_name(prefix: &str) -> String {
    let mut rng = rand::rng();
    let end: String = (0..5).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect();
    format!("{}{end}", prefix.chars().take(248).collect::<String>())
}

/// Gives a new object what only the server gives.
pub fn stamp(kind: &Kind, object: &mut Value) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    for field in SYSTEM.into_iter().chain(["selfLink", "resourceVersion"]) {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
    metadata.insert("creationTimestamp".into(), now().into());
    if kind.generation == Generation::Counted {
        metadata.insert("generation".into(), 1.into());
    }
}

/// The new state of all but the status, where that is not written with the rest.
pub fn with_status_of(kind: &Kind, mut new: Value, old: &Value) -> Value {
    if kind.status == Status::Subresource
        && let Some(fields) = new.as_object_mut()
    {
        take_over(fields, "status", old);
    }
    new
}

/// The old state with the new status.
pub fn with_only_status_of(old: &Value, new: &Value) -> Value {
    let mut whole = old.clone();
    if let Some(fields) = whole.as_object_mut() {
        take_over(fields, "status", new);
    }
    if let Some(managed) = new["metadata"].get("managedFields") {
        whole["metadata"]["managedFields"] = managed.clone();
    }
    whole
}

/// Makes a field what it is in `other`, which may be nothing.
fn take_over(fields: &mut Map<String, Value>, name: &str, other: &Value) {
    match other.get(name) {
        Some(value) => fields.insert(name.to_owned(), value.clone()),
        None => fields.remove(name),
    };
}

/// Takes over what the client cannot change; a different uid is left for validation to refuse.
pub fn keep_system_fields(old: &Value, new: &mut Value) {
    let Some(metadata) = new["metadata"].as_object_mut() else { return };
    for field in SYSTEM {
        let given = metadata.get(field).is_some_and(|given| !given.is_null() && *given != "");
        if field == "uid" && given {
            continue;
        }
        take_over(metadata, field, &old["metadata"]);
    }
}

/// Counts a change of anything but metadata and status.
pub fn count(kind: &Kind, old: &Value, new: &mut Value) {
    let content = |object: &Value| {
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("metadata");
            if kind.status == Status::Subresource || kind.origin == Origin::BuiltIn {
                fields.remove("status");
            }
        }
        object
    };
    if content(old) != content(new) {
        new["metadata"]["generation"] = (old["metadata"]["generation"].as_u64().unwrap_or_default() + 1).into();
    }
}

/// The finalizers that were not there before.
pub fn added_finalizers(old: &Value, new: &Value) -> Vec<String> {
    let of = |object: &Value| -> Vec<String> {
        let list = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let before = of(old);
    of(new).into_iter().filter(|name| !before.contains(name)).collect()
}

/// Whether nothing keeps an object whose deletion was asked for.
pub fn is_released(object: &Value) -> bool {
    let empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let is_emptied = object["kind"] != "Namespace" || empty(&object["spec"]["finalizers"]);
    object["metadata"]["deletionTimestamp"].is_string() && empty(&object["metadata"]["finalizers"]) && is_emptied
}

/// Marks an object for deletion, kept by `finalizers` besides its own.
pub fn mark_deleted(object: &mut Value, finalizers: &[&str]) {
    if !object["metadata"]["deletionTimestamp"].is_string() {
        object["metadata"]["deletionTimestamp"] = now().into();
        object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
        if let Some(generation) = object["metadata"]["generation"].as_u64() {
            object["metadata"]["generation"] = (generation + 1).into();
        }
    }
    for finalizer in finalizers {
        match object["metadata"]["finalizers"].as_array_mut() {
            Some(list) if list.iter().any(|name| name == finalizer) => {}
            Some(list) => list.push((*finalizer).into()),
            None => object["metadata"]["finalizers"] = json!([finalizer]),
        }
    }
    if object["kind"] == "Namespace" {
        object["status"]["phase"] = "Terminating".into();
    }
}

/// Takes a finalizer away.
pub fn remove_finalizer(object: &mut Value, finalizer: &str) {
    if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
        list.retain(|name| name != finalizer);
        if list.is_empty()
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.remove("finalizers");
        }
    }
}
