//! Who owns which field of an object: `metadata.managedFields` and server-side apply.
//!
//! Everything here is about one version of a kind. Entries of other versions are read by the same schema.

mod apply;
mod compare;
mod managed;
mod merged;
mod meta;
mod path;
mod typed;

#[cfg(test)]
mod tests;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

pub use apply::apply;
pub(super) use merged::{go_type, plain};

use managed::{Entry, Id, Managed};
use path::{Element, Set, same};
use typed::Type;

/// Who writes, and how.
#[derive(Debug, Clone)]
pub struct Manager {
    /// The name that the client goes by. Empty for `unknown`.
    pub name: String,
    /// The kind of request.
    pub operation: Operation,
    /// The endpoint: empty, or `status`.
    pub subresource: String,
    /// `apiVersion` of the request, such as `source.toolkit.fluxcd.io/v1`.
    pub api_version: String,
    /// When: RFC 3339 in UTC, in seconds, with a `Z`.
    pub time: String,
}

impl Manager {
    /// Whether it writes an object of a kind that no CustomResourceDefinition defines.
    fn is_of_built_in(&self) -> bool {
        matches!(self.api_version.as_str(), "v1" | "coordination.k8s.io/v1" | "apiextensions.k8s.io/v1")
    }
}

/// The kind of request by which a manager came to its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Anything else.
    Update,
}

/// Whether an applier gets what others own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Yes: it is taken from them.
    Yes,
    /// No: that is a conflict.
    No,
}

/// Which fields of the root an endpoint never writes, and so never gives to a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// All fields are written: a kind without a status endpoint.
    Whole,
    /// The object itself, of a kind with a status endpoint.
    Main,
    /// The status endpoint. That of custom kinds leaves metadata alone.
    Status,
}

impl Endpoint {
    fn unwritten(self, manager: &Manager) -> &'static [&'static str] {
        match self {
            Self::Whole => &[],
            Self::Main => &["status"],
            Self::Status if manager.is_of_built_in() => &["spec"],
            Self::Status => &["metadata", "spec"],
        }
    }
}

/// A field that an applier sets and someone else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// With whom: `conflict with "kubectl" using v1`.
    pub message: String,
    /// The path of the field: `.spec.interval`.
    pub field: String,
}

/// Why a configuration was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// 409 with reason `Conflict`, and a cause `FieldManagerConflict` for each.
    #[error("{}", told(.0))]
    Conflicts(Vec<Conflict>),
    /// 400: not a configuration.
    #[error("{0}")]
    Invalid(String),
    /// 500, as real servers have it: it does not fit the schema.
    #[error("{0}")]
    Mistyped(String),
}

/// The message of the answer to an apply with conflicts.
pub fn told(conflicts: &[Conflict]) -> String {
    if let [conflict] = conflicts {
        return format!("Apply failed with 1 conflict: {}: {}", conflict.message, conflict.field);
    }
    let mut lines: Vec<String> = Vec::new();
    let mut last = "";
    for conflict in conflicts {
        if conflict.message != last {
            lines.push(format!("conflicts{}:", conflict.message.strip_prefix("conflict").unwrap_or_default()));
            last = &conflict.message;
        }
        lines.push(format!("- {}", conflict.field));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// After a create, update or patch: the manager owns what it changed or added relative to `old` (null for a create), the others own that no more,
/// and nobody owns what is gone. Rewrites `metadata.managedFields` of `new`. When that would be the only change, the entries keep their times.
///
/// To be called before the generation and the resourceVersion change, and before what the endpoint does not write is put back.
pub fn updated(old: &Value, new: &mut Value, manager: &Manager, schema: &JSONSchemaProps, endpoint: Endpoint) {
    let live = Managed::of(old).unwrap_or_default();
    let given = new.pointer("/metadata/managedFields").and_then(Value::as_array).filter(|_| manager.subresource.is_empty());
    let mut entries = match given.map(Vec::as_slice) {
        // A list of one empty entry lets go of everything. So does an empty list, but not where objects are untyped.
        Some([Value::Object(only)]) if only.is_empty() => Managed::default(),
        Some([]) if manager.is_of_built_in() => Managed::default(),
        Some(given) => Managed::decode(given).ok().filter(|given| !given.0.is_empty()).unwrap_or(live),
        None => live,
    };
    if let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    tidy(new, manager);
    if entries.0.is_empty() && !old.is_null() {
        return;
    }
    own(&mut entries, old, new, manager, schema, endpoint);
    entries.cap();
    entries.write(new);
    keep_times(old, new);
}

/// Gives the manager what differs.
fn own(entries: &mut Managed, old: &Value, new: &Value, manager: &Manager, schema: &JSONSchemaProps, endpoint: Endpoint) {
    let root = Type::root(schema);
    settle(entries, root);
    let blank = blank(new, manager);
    let changes = root.compare(if old.is_null() { &blank } else { old }, new).without(endpoint.unwritten(manager));
    let written = changes.written();
    entries.take(&written.clone().union(&changes.removed), None);
    let mine = stripped(written);
    if !mine.is_empty() {
        let fresh = || Entry { version: manager.api_version.clone(), time: None, set: Set::default() };
        let entry = entries.0.entry(Id::of(manager)).or_insert_with(fresh);
        entry.set = std::mem::take(&mut entry.set).union(&mine);
        entry.time = Some(manager.time.clone());
    }
}

/// What an object is like of which nothing is set. Some fields of built-in kinds are always there.
fn blank(object: &Value, manager: &Manager) -> Value {
    let mut blank = json!({ "apiVersion": object["apiVersion"], "kind": object["kind"] });
    if manager.is_of_built_in() {
        for name in ["spec", "status", "source", "involvedObject"] {
            blank[name] = json!({});
        }
        for name in ["eventTime", "firstTimestamp", "lastTimestamp"] {
            blank[name] = Value::Null;
        }
        for name in ["reportingComponent", "reportingInstance"] {
            blank[name] = "".into();
        }
    }
    blank
}

/// Metadata and built-in kinds are typed on real servers: what is empty there is not there.
fn tidy(object: &mut Value, manager: &Manager) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !is_empty(value));
    }
    if let Some(fields) = object.as_object_mut().filter(|_| manager.is_of_built_in()) {
        let optional = ["data", "stringData", "binaryData", "secrets", "imagePullSecrets"];
        fields.retain(|name, value| !optional.contains(&name.as_str()) || !is_empty(value));
    }
}

fn settle(entries: &mut Managed, root: Type<'_>) {
    for entry in entries.0.values_mut() {
        entry.set = root.settled(std::mem::take(&mut entry.set));
    }
}

/// Without the fields that say which object it is and those that only servers write.
fn stripped(mut set: Set) -> Set {
    let field = |name: &str| Element::Field(name.to_owned());
    for name in ["apiVersion", "kind", "metadata"] {
        set.remove(&[field(name)]);
    }
    let names = "name namespace creationTimestamp selfLink uid clusterName generation managedFields resourceVersion";
    for name in names.split(' ') {
        set.remove(&[field("metadata"), field(name)]);
    }
    set
}

/// Puts back the old entries when nothing but their times is new.
fn keep_times(old: &Value, new: &mut Value) {
    const ENTRIES: &str = "/metadata/managedFields";
    let timeless = |object: &Value| {
        let mut entries = object.pointer(ENTRIES).cloned().unwrap_or_default();
        entries.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut).for_each(|entry| drop(entry.remove("time")));
        entries
    };
    let rest = |object: &Value| {
        let mut object = object.clone();
        object.pointer_mut(ENTRIES).map(Value::take);
        object
    };
    if old.pointer(ENTRIES) != new.pointer(ENTRIES)
        && same(&timeless(old), &timeless(new))
        && same(&rest(old), &rest(new))
        && let (Some(before), Some(entries)) = (old.pointer(ENTRIES), new.pointer_mut(ENTRIES))
    {
        *entries = before.clone();
    }
}
