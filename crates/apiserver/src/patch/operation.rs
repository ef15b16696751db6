//! The operations of a JSON patch.

use serde_json::Value;

use super::{MAX_COPIED, MAX_PARTS};
use crate::request::unwieldy;

/// Runs one operation; nothing if it does not fit. `copied` counts the bytes that copies have added so far.
pub(super) fn run(document: &mut Value, op: &Value, copied: &mut usize) -> Option<()> {
    let text = |name: &str| op.get(name).and_then(Value::as_str);
    let value = || op.get("value").cloned().unwrap_or_default();
    let path = text("path")?;
    match text("op")? {
        "add" => add(document, path, value()),
        "remove" => remove(document, path).map(drop),
        "replace" if path.is_empty() => {
            *document = Some(value()).filter(|value| value.is_object() || value.is_array())?;
            Some(())
        }
        "replace" => {
            match find(document, path)? {
                (Value::Array(items), key) => {
                    let index = index(&key, items.len())?;
                    items[index] = value();
                }
                (inside, key) => inside[key] = value(),
            }
            Some(())
        }
        "move" => {
            let moved = remove(document, text("from")?)?;
            add(document, path, moved)
        }
        "copy" => {
            let value = get(document, text("from")?)?;
            *copied += value.to_string().len();
            (*copied <= MAX_COPIED).then(|| add(document, path, value))?
        }
        "test" => {
            let found = if path.is_empty() { document.clone() } else { get(document, path)? };
            (found == value()).then_some(())
        }
        _ => None,
    }
}

/// The object or list that a path goes into last, and the last part of the path. None for paths of too many parts.
fn find<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (_, path) = path.split_once('/').filter(|(_, path)| path.matches('/').count() < MAX_PARTS)?;
    let mut parts = path.split('/').map(|part| part.replace("~1", "/").replace("~0", "~"));
    let last = parts.next_back()?;
    let mut inside = document;
    for part in parts {
        inside = match inside {
            Value::Object(map) => map.get_mut(&part)?,
            Value::Array(items) => {
                let index = index(&part, items.len())?;
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    matches!(inside, Value::Object(_) | Value::Array(_)).then_some((inside, last))
}

/// The place of an item, which may count from the end.
fn index(key: &str, len: usize) -> Option<usize> {
    let wanted: i64 = key.parse().ok()?;
    let from_end = if wanted < 0 { i64::try_from(len).ok()? } else { 0 };
    usize::try_from(wanted.checked_add(from_end)?).ok().filter(|place| *place < len)
}

/// The value at a path. A key that is not there is null, an index is an error.
fn get(document: &mut Value, path: &str) -> Option<Value> {
    Some(match find(document, path)? {
        (Value::Array(items), key) => items.get(index(&key, items.len())?)?.clone(),
        (inside, key) => inside.get(key).cloned().unwrap_or_default(),
    })
}

fn add(document: &mut Value, path: &str, value: Value) -> Option<()> {
    if unwieldy(&value).is_some() {
        return None;
    }
    match find(document, path)? {
        (Value::Array(items), key) if key == "-" => items.push(value),
        (Value::Array(items), key) => items.insert(index(&key, items.len() + 1)?, value),
        (inside, key) => inside[key] = value,
    }
    Some(())
}

fn remove(document: &mut Value, path: &str) -> Option<Value> {
    match find(document, path)? {
        (Value::Array(items), key) => {
            let index = index(&key, items.len())?;
            Some(items.remove(index))
        }
        (inside, key) => inside.as_object_mut()?.remove(&key),
    }
}
