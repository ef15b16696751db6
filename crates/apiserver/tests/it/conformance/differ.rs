//! Where two answers differ.

use serde_json::Value;

/// A place where two answers differ.
#[derive(Debug)]
pub struct Difference {
    pub pointer: String,
    pub real: Option<Value>,
    pub embedded: Option<Value>,
}

/// What must be equal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    All,
    /// What both have: entries of lists go by their names.
    Common,
}

/// All differences.
pub fn differences(real: &Value, embedded: &Value, extent: Extent) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(real), Some(embedded), extent, &mut found);
    found
}

fn compare(pointer: &str, real: Option<&Value>, embedded: Option<&Value>, extent: Extent, found: &mut Vec<Difference>) {
    match (real, embedded) {
        (Some(a), Some(b)) if a == b || (a.is_number() && a.as_f64() == b.as_f64()) => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for (key, value) in b.iter().filter(|(key, _)| extent == Extent::All || a.contains_key(*key)) {
                compare(&format!("{pointer}/{}", key.replace('/', "~1")), a.get(key), Some(value), extent, found);
            }
            for (key, value) in a.iter().filter(|(key, _)| extent == Extent::All && !b.contains_key(*key)) {
                compare(&format!("{pointer}/{}", key.replace('/', "~1")), Some(value), None, extent, found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b)))
            if extent == Extent::Common && b.iter().chain(a).all(|item| name(item).is_some()) =>
        {
            for item in b {
                let name = name(item);
                if let Some(other) = a.iter().find(|other| self::name(other) == name) {
                    compare(&format!("{pointer}/{}", name.unwrap_or_default()), Some(other), Some(item), extent, found);
                }
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{pointer}/{at}"), Some(a), Some(b), extent, found);
            }
        }
        (a, b) => found.push(Difference { pointer: pointer.to_owned(), real: a.cloned(), embedded: b.cloned() }),
    }
}

/// What an entry of a list is called.
fn name(item: &Value) -> Option<String> {
    [&item["metadata"]["name"], &item["resource"], &item["subresource"], &item["groupVersion"], &item["name"], &item["version"]]
        .into_iter()
        .find_map(|name| name.as_str().map(str::to_owned))
}
