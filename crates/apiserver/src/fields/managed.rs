//! The entries of `metadata.managedFields`.

use std::collections::BTreeMap;

use headwater_golang::quote;
use serde_json::{Value, json};

use super::path::Set;
use super::{Manager, Operation};

/// Of how many updating managers an object keeps entries apart.
const MAX_UPDATERS: usize = 10;

/// Whose entry it is. Appliers keep theirs when they change to another version of the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) manager: String,
    pub(super) operation: Operation,
    version: Option<String>,
    pub(super) subresource: String,
}

impl Id {
    pub(super) fn of(manager: &Manager) -> Self {
        let name = if manager.name.is_empty() { "unknown" } else { &manager.name };
        Self::new(name, manager.operation, &manager.api_version, &manager.subresource)
    }

    fn new(manager: &str, operation: Operation, version: &str, subresource: &str) -> Self {
        let version = (operation == Operation::Update).then(|| version.to_owned());
        Self { manager: manager.to_owned(), operation, version, subresource: subresource.to_owned() }
    }

    /// As conflicts name it.
    pub(super) fn told(&self) -> String {
        let subresource =
            if self.subresource.is_empty() { String::new() } else { format!(" with subresource {}", quote(&self.subresource)) };
        let version = self.version.as_ref().map(|version| format!(" using {version}")).unwrap_or_default();
        format!("{}{subresource}{version}", quote(&self.manager))
    }
}

/// What a manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) version: String,
    pub(super) time: Option<String>,
    pub(super) set: Set,
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Managed(pub(super) BTreeMap<Id, Entry>);

impl Managed {
    /// From `metadata.managedFields` of an object, which may have none.
    pub(super) fn of(object: &Value) -> Result<Self, String> {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        entries.map_or(Ok(Self::default()), |entries| Self::decode(entries))
    }

    pub(super) fn decode(entries: &[Value]) -> Result<Self, String> {
        let mut managed = Self::default();
        for (index, entry) in entries.iter().enumerate() {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            let version = text("apiVersion").to_owned();
            if version.is_empty() {
                return Err("apiVersion must not be empty".to_owned());
            }
            match text("fieldsType") {
                "FieldsV1" => {}
                "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
                other => return Err(format!("invalid fieldsType {} in managed fields entry {index}", quote(other))),
            }
            let set = entry.get("fieldsV1").filter(|fields| !fields.is_null()).map(Set::decode).transpose()?.unwrap_or_default();
            let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
            let id = Id::new(text("manager"), operation, &version, text("subresource"));
            managed.0.insert(id, Entry { version, time, set });
        }
        Ok(managed)
    }

    /// Writes the entries into an object, in the order that servers keep: appliers first, then by time and name.
    pub(super) fn write(self, object: &mut Value) {
        let mut entries: Vec<_> = self.0.into_iter().collect();
        entries
            .sort_by(|(a, x), (b, y)| (a.operation, &x.time, &a.manager, &x.version).cmp(&(b.operation, &y.time, &b.manager, &y.version)));
        let entries = entries.into_iter().map(|(id, entry)| {
            let operation = if id.operation == Operation::Apply { "Apply" } else { "Update" };
            let mut told = json!({ "manager": id.manager, "operation": operation, "apiVersion": entry.version });
            told["fieldsType"] = "FieldsV1".into();
            told["fieldsV1"] = entry.set.encode();
            if let Some(time) = entry.time {
                told["time"] = time.into();
            }
            if !id.subresource.is_empty() {
                told["subresource"] = id.subresource.into();
            }
            told
        });
        let entries: Vec<_> = entries.collect();
        if let Some(object) = object.as_object_mut() {
            let metadata = object.entry("metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                if entries.is_empty() {
                    metadata.remove("managedFields");
                } else {
                    metadata.insert("managedFields".to_owned(), entries.into());
                }
            }
        }
    }

    /// Takes fields from all but one.
    pub(super) fn take(&mut self, set: &Set, but: Option<&Id>) {
        for (id, entry) in &mut self.0 {
            if Some(id) != but {
                entry.set = std::mem::take(&mut entry.set).difference(set);
            }
        }
        self.0.retain(|_, entry| !entry.set.is_empty());
    }

    /// Puts the oldest updaters of a version together when there are too many.
    pub(super) fn cap(&mut self) {
        let mut updaters: Vec<_> = self.0.iter().filter(|(id, _)| id.operation == Operation::Update).collect();
        let mut count = updaters.len();
        updaters.sort_by(|(a, x), (b, y)| (&x.time, *a).cmp(&(&y.time, *b)));
        let updaters: Vec<_> = updaters.into_iter().map(|(id, entry)| (id.clone(), entry.version.clone())).collect();
        let mut first: BTreeMap<String, Id> = BTreeMap::new();
        for (id, version) in updaters {
            if count <= MAX_UPDATERS {
                break;
            }
            let Some(oldest) = first.get(&version) else {
                first.insert(version, id);
                continue;
            };
            let bucket = Id::new("ancient-changes", Operation::Update, &version, "");
            if !self.0.contains_key(&bucket)
                && let Some(entry) = self.0.remove(oldest)
            {
                self.0.insert(bucket.clone(), entry);
            }
            if id != bucket
                && let Some(entry) = self.0.remove(&id)
                && let Some(kept) = self.0.get_mut(&bucket)
            {
                kept.set = std::mem::take(&mut kept.set).union(&entry.set);
                kept.time = entry.time;
            }
            count -= 1;
        }
    }
}
