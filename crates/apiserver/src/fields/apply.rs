//! Server-side apply.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use super::managed::{Entry, Id, Managed};
use super::path::{Element, Set, printed, same};
use super::typed::Type;
use super::{ApplyError, Conflict, Endpoint, Force, Manager, Operation, keep_times, own, settle, stripped, tidy};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What all annotations of an object may take up together, in bytes.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Server-side apply of `config` onto `live` (null for a create). Returns the merged object with its `metadata.managedFields`.
///
/// What the endpoint does not write is merged like the rest and is to be put back by the caller, as are fields of the metadata that only servers
/// set. What was taken away from a map or list with nothing else in it is null; defaults, pruning and validation of it come after.
pub fn apply(
    live: &Value,
    config: &Value,
    manager: &Manager,
    force: Force,
    schema: &JSONSchemaProps,
    endpoint: Endpoint,
) -> Result<Value, ApplyError> {
    if config.pointer("/metadata/managedFields").is_some_and(|given| !given.is_null()) {
        return Err(ApplyError::Invalid("metadata.managedFields must be nil".to_owned()));
    }
    let root = Type::root(schema);
    let mut wrong = Vec::new();
    root.check(config, "", &mut wrong);
    if let Some(wrong) = listed(&wrong) {
        return Err(ApplyError::Mistyped(format!("failed to create typed patch object ({}): {wrong}", named(config))));
    }
    let mut entries = Managed::of(live).map_err(|error| ApplyError::Mistyped(format!("failed to decode managed fields: {error}")))?;
    if entries.0.is_empty() && !live.is_null() {
        let before = Manager { name: "before-first-apply".to_owned(), operation: Operation::Update, ..manager.clone() };
        own(&mut entries, &Value::Null, live, &before, schema, endpoint);
    }
    let empty = json!({ "apiVersion": config["apiVersion"], "kind": config["kind"] });
    let live = if live.is_null() { &empty } else { live };
    settle(&mut entries, root);

    let id = Id::of(manager);
    let merged = root.merge(Some(live), Some(config)).unwrap_or_default();
    let set = root.set_of(config).without(endpoint.unwritten(manager));
    let last = entries.0.remove(&id);
    let time = last.as_ref().and_then(|last| last.time.clone());
    entries.0.insert(id.clone(), Entry { version: manager.api_version.clone(), time, set });
    let mut new = match last {
        Some(last) if !last.set.is_empty() => pruned(root, &merged, &entries, &last.set),
        _ => merged,
    };

    let changes = root.compare(live, &new).without(endpoint.unwritten(manager));
    let written = changes.written();
    if force == Force::No {
        let mut conflicts = conflicts(&entries, &id, &written);
        if manager.name == "kubectl" && !conflicts.is_empty() {
            // What kubectl applied from the client side before, and nobody changed since, is its own.
            let allowed = last_applied(live, root, &manager.api_version).unwrap_or_default();
            conflicts.retain(|(_, path)| !allowed.has(path));
        }
        if !conflicts.is_empty() {
            let told =
                |(id, path): (&Id, Vec<Element>)| Conflict { message: format!("conflict with {}", id.told()), field: printed(&path) };
            return Err(ApplyError::Conflicts(conflicts.into_iter().map(told).collect()));
        }
    }
    entries.take(&written.union(&changes.removed), Some(&id));
    if let Some(entry) = entries.0.get_mut(&id) {
        entry.set = stripped(std::mem::take(&mut entry.set));
        if !same(live, &new) {
            entry.time = Some(manager.time.clone());
        }
    }
    entries.0.retain(|_, entry| !entry.set.is_empty());
    if manager.name == "kubectl" {
        annotate(&mut new, config);
    }
    tidy(&mut new, manager);
    entries.write(&mut new);
    keep_times(live, &mut new);
    Ok(new)
}

/// The fields that others own and that get another value.
fn conflicts<'a>(entries: &'a Managed, id: &Id, written: &Set) -> Vec<(&'a Id, Vec<Element>)> {
    let others = entries.0.iter().filter(|(other, _)| *other != id);
    others.flat_map(|(other, entry)| entry.set.intersection(written).paths().into_iter().map(move |path| (other, path))).collect()
}

/// The merged object without what its applier set the last time and now does not, unless someone else owns it.
fn pruned(root: Type<'_>, merged: &Value, entries: &Managed, last: &Set) -> Value {
    let all = |value: &Value| root.with_named(&root.set_of(value));
    let last = root.with_named(last);
    let without = root.remove(merged, &last);
    let owned = entries.0.values().fold(Set::default(), |owned, entry| owned.union(&entry.set));
    // Put back what is owned, then what was never the applier's and only went because it was inside of something else.
    let back = root.remove(merged, &all(merged).difference(&all(&without).union(&root.with_named(&owned))));
    root.remove(merged, &all(merged).difference(&all(&back)).intersection(&last))
}

/// What the annotation of a client-side apply says and still is so.
fn last_applied(live: &Value, root: Type<'_>, version: &str) -> Option<Set> {
    let text = live.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str()?;
    let config: Value = serde_json::from_str(text).ok()?;
    let mut wrong = Vec::new();
    root.check(&config, "", &mut wrong);
    if config["apiVersion"] != version || !wrong.is_empty() {
        return None;
    }
    let changes = root.compare(&config, live);
    Some(root.set_of(&config).difference(&changes.written()).difference(&changes.removed))
}

/// Keeps the annotation of a client-side apply in line, so that kubectl can go back to that.
fn annotate(new: &mut Value, config: &Value) {
    let Some(annotations) = new.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    if annotations.get(LAST_APPLIED).and_then(Value::as_str).is_none_or(str::is_empty) {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    annotations.insert(LAST_APPLIED.to_owned(), format!("{}\n", headwater_golang::json::value(&config)).into());
    if annotations.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum::<usize>() > MAX_ANNOTATIONS {
        annotations.remove(LAST_APPLIED);
    }
}

/// Several errors as one text; nothing if there are none.
fn listed(wrong: &[String]) -> Option<String> {
    match wrong {
        [] => None,
        [only] => Some(only.clone()),
        many => Some(format!("errors:\n  {}", many.join("\n  "))),
    }
}

/// An object as errors name it: `namespace/name; group/version, Kind=Kind`.
fn named(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let version = text("/apiVersion");
    let version = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
    format!("{}/{}; {version}, Kind={}", text("/metadata/namespace"), text("/metadata/name"), text("/kind"))
}
