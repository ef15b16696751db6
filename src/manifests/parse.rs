//! The text of a file as objects, each with the line where its document starts. Pure.

use std::fmt;

use headwater_goyaml as yaml;
use serde_json::{Map, Value};

mod json;

/// The most objects in one file, and the most documents.
pub const MAX_OBJECTS: usize = 10_000;
/// Bounds of a file's YAML; that of its size was checked when it was read.
const LIMITS: yaml::Limits = yaml::Limits { bytes: usize::MAX, depth: 200, nodes: 1_000_000 };
/// Where objects live that do not say.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What makes an object the same object, whatever version it is written in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; [`DEFAULT_NAMESPACE`] where none is given. Of no meaning for kinds that live in none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// The key of an object; events are the same ones under both of their groups.
    pub fn new(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Self {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        Self {
            group: if group == "events.k8s.io" { "" } else { group }.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.filter(|n| !n.is_empty()).unwrap_or(DEFAULT_NAMESPACE).to_owned(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// One object as a file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Which one it is.
    pub key: Key,
    /// The group and version that it is written in.
    pub api_version: String,
    /// The line where its document starts, from 1.
    pub line: u64,
    /// All of it.
    pub value: Value,
}

/// Why a text holds no objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// The reason, without a value from the file.
    pub reason: String,
}

/// Reads all documents of a text, YAML or JSON; those without content are left out, lists are taken apart.
///
/// All mean what they mean to kubectl, which reads them with the same rules: `yes` is true, `0755` is octal, documents are cut at lines that
/// begin with `---`, of merged keys the last counts. Only a key that a map has twice is refused, which kubectl does not do.
///
/// # Errors
/// A [`Fault`] at the first document that cannot be read or is not an object; also for a key that is there twice.
pub fn objects(text: &str) -> Result<Vec<Object>, Fault> {
    let (values, rest) = json::leading(text)?;
    let mut found = Vec::new();
    for (line, value) in values {
        add(value, line, &mut found)?;
    }
    let before = line_at(text.as_bytes(), rest) - 1;
    for (at, document) in yaml::strict_documents(&text.as_bytes()[rest..], LIMITS).enumerate() {
        let document = document.map_err(|fault| Fault { line: before + fault.line as u64, reason: fault.error.outline() })?;
        let line = before + document.line as u64;
        if at == MAX_OBJECTS {
            return Err(Fault { line, reason: format!("more than {MAX_OBJECTS} documents in one file") });
        }
        add(document.value, line, &mut found)?;
    }
    Ok(found)
}

/// Adds the objects of a document that starts in this line.
fn add(value: Value, line: u64, found: &mut Vec<Object>) -> Result<(), Fault> {
    if value.is_null() { Ok(()) } else { flatten(value, None, line, found).map_err(|reason| Fault { line, reason }) }
}

/// The line of `text` that the byte at `offset` is on, from 1.
pub fn line_at(text: &[u8], offset: usize) -> u64 {
    text.iter().take(offset).filter(|b| **b == b'\n').count() as u64 + 1
}

/// Adds the object, or those of a list. `of` is what the items of the list around it are if they do not say.
fn flatten(value: Value, of: Option<(&str, &str)>, line: u64, found: &mut Vec<Object>) -> Result<(), String> {
    let Value::Object(mut map) = value else { return Err("this is not a Kubernetes object".to_owned()) };
    if let Some((api_version, kind)) = of {
        map.entry("apiVersion").or_insert_with(|| api_version.into());
        map.entry("kind").or_insert_with(|| kind.into());
    }
    let api_version = text(&map, "apiVersion").ok_or("apiVersion is missing or not a string")?.to_owned();
    let kind = text(&map, "kind").ok_or("kind is missing or not a string")?.to_owned();
    if let (Some(item), Some(Value::Array(_))) = (kind.strip_suffix("List"), map.get("items")) {
        let Some(Value::Array(items)) = map.remove("items") else { return Ok(()) };
        let of = Some((api_version.as_str(), item)).filter(|(_, item)| !item.is_empty());
        return items.into_iter().try_for_each(|item| flatten(item, of, line, found));
    }
    let metadata = map.get("metadata").and_then(Value::as_object).ok_or_else(|| format!("{kind}: metadata is missing"))?;
    let name = text(metadata, "name").ok_or_else(|| format!("{kind}: metadata.name is missing or not a string"))?;
    let key = Key::new(&api_version, &kind, text(metadata, "namespace"), name);
    if found.len() == MAX_OBJECTS {
        return Err(format!("more than {MAX_OBJECTS} objects in one file"));
    }
    found.push(Object { key, api_version, line, value: Value::Object(map) });
    Ok(())
}

fn text<'a>(map: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    map.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
