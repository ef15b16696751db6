//! Strategic merge patches: merge patches that know which lists are merged by item, with directives for the rest.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::PatchError;
use crate::fields::{go_type, plain};

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

type Result<T> = std::result::Result<T, PatchError>;

/// How a list of a built-in kind is merged. Most are replaced.
#[derive(Debug, Clone, Copy)]
enum Strategy {
    Replace,
    Set,
    Keyed(&'static str),
}

impl Strategy {
    fn of(resource: &str, at: &str) -> Self {
        match (resource, at) {
            (_, "/metadata/ownerReferences") => Self::Keyed("uid"),
            (_, "/metadata/finalizers") => Self::Set,
            ("serviceaccounts", "/secrets") => Self::Keyed("name"),
            ("namespaces", "/status/conditions") => Self::Keyed("type"),
            _ => Self::Replace,
        }
    }

    /// What tells one item from another.
    fn identity(self, item: &Value) -> Result<&Value> {
        let Self::Keyed(key) = self else { return Ok(item) };
        let Value::Object(map) = item else {
            return Err(PatchError::Odd(format!("expected a map[string]interface {{}}, but received a {}", go_type(item))));
        };
        let missing = || PatchError::Odd(format!("map: {} does not contain declared merge key: {key}", plain(item)));
        map.get(key).ok_or_else(missing)
    }
}

/// A strategic merge patch of an object of a built-in kind, named as in `Kind::resource`. For kinds without lists of their own that are merged,
/// only those of the metadata are.
pub fn strategic(target: &mut Value, patch: &Value, resource: &str) -> Result<()> {
    let Value::Object(patch) = patch else {
        let text = format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", super::json_type(patch));
        return Err(PatchError::Malformed(text));
    };
    let old = target.as_object().cloned().unwrap_or_default();
    *target = Value::Object(merge_map(old, patch.clone(), resource, "")?);
    Ok(())
}

fn merge_map(mut old: Map<String, Value>, mut patch: Map<String, Value>, resource: &str, at: &str) -> Result<Map<String, Value>> {
    if let Some(directive) = patch.get(PATCH) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(PATCH);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(unknown(directive, &patch)),
        };
    }
    retain(&mut old, &mut patch)?;
    let (orders, patch): (Map<_, _>, Map<_, _>) = patch.into_iter().partition(|(name, _)| name.starts_with(SET_ORDER));
    let before = if orders.is_empty() { Map::new() } else { old.clone() };
    for (name, value) in patch {
        if let Some(name) = name.strip_prefix(DELETE_FROM) {
            if let (Some(Value::Array(items)), Value::Array(gone)) = (old.get_mut(name), value) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        let below = format!("{at}/{name}");
        let merged = match (old.remove(&name), value) {
            (_, Value::Null) => None,
            (Some(Value::Object(map)), Value::Object(value)) => Some(merge_map(map, value, resource, &below)?.into()),
            (Some(Value::Array(items)), Value::Array(value)) => Some(merge_list(items, value, resource, &below)?.into()),
            (_, value) => without_directives(value),
        };
        old.extend(merged.map(|merged| (name, merged)));
    }
    for (directive, order) in &orders {
        let name = directive.strip_prefix(SET_ORDER).unwrap_or_default();
        let Value::Array(order) = order else {
            return Err(PatchError::Odd(format!("expected a []interface {{}}, but received a {}", go_type(order))));
        };
        if let Some(Value::Array(items)) = old.get_mut(name) {
            let server = before.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            *items = ordered(std::mem::take(items), order, server, Strategy::of(resource, &format!("{at}/{name}")))?;
        }
    }
    Ok(old)
}

/// `$retainKeys`: nothing else stays.
fn retain(old: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<()> {
    let Some(keys) = patch.remove(RETAIN) else { return Ok(()) };
    let wrong = || PatchError::Malformed("invalid patch format of retainKeys".to_owned());
    let keys: BTreeSet<_> = keys.as_array().ok_or_else(wrong)?.iter().filter_map(Value::as_str).collect();
    let is_directive = |name: &str| name.starts_with(DELETE_FROM) || name.starts_with(SET_ORDER);
    if patch.iter().any(|(name, value)| !value.is_null() && !is_directive(name) && !keys.contains(name.as_str())) {
        return Err(wrong());
    }
    old.retain(|name, _| keys.contains(name.as_str()));
    Ok(())
}

fn merge_list(mut old: Vec<Value>, patch: Vec<Value>, resource: &str, at: &str) -> Result<Vec<Value>> {
    let strategy = Strategy::of(resource, at);
    if matches!(strategy, Strategy::Replace) {
        return Ok(patch);
    }
    let mut change = Vec::new();
    let mut replace = false;
    for item in patch {
        match item.get(PATCH).map(|directive| (directive, directive.as_str())) {
            None => change.push(item),
            Some((_, Some("delete"))) => {
                let gone = strategy.identity(&item)?;
                old.retain(|item| strategy.identity(item).ok() != Some(gone));
            }
            Some((_, Some("replace"))) => replace = true,
            Some((_, Some("merge"))) => return Err(PatchError::Odd("merging lists cannot yet be specified in the patch".to_owned())),
            Some((directive, _)) => return Err(unknown(directive, item.as_object().unwrap_or(&Map::new()))),
        }
    }
    if replace {
        return Ok(change);
    }
    let mut merged = old.clone();
    for item in &change {
        let wanted = strategy.identity(item)?;
        match (merged.iter_mut().find(|item| strategy.identity(item).ok() == Some(wanted)), item) {
            (Some(Value::Object(found)), Value::Object(item)) => *found = merge_map(std::mem::take(found), item.clone(), resource, at)?,
            (Some(_), _) => {}
            (None, item) => merged.push(item.clone()),
        }
    }
    ordered(merged, &change, &old, strategy)
}

/// Items that the patch speaks of in the order of the patch, the others as they were, and both as the server had them where it had both.
fn ordered(merged: Vec<Value>, order: &[Value], server: &[Value], strategy: Strategy) -> Result<Vec<Value>> {
    let place = |list: &[Value], item: &Value| -> Result<Option<usize>> {
        let wanted = strategy.identity(item)?;
        Ok(list.iter().position(|item| strategy.identity(item).ok() == Some(wanted)))
    };
    let (mut spoken, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        let before = place(server, &item)?;
        match place(order, &item)? {
            Some(index) => spoken.push((index, before, item)),
            None => others.push((before, item)),
        }
    }
    spoken.sort_by_key(|(index, ..)| *index);
    others.sort_by_key(|(before, _)| *before);
    let (mut spoken, mut others) = (spoken.into_iter().peekable(), others.into_iter().peekable());
    let mut out = Vec::new();
    loop {
        let first = match (others.peek(), spoken.peek()) {
            (Some((Some(other), _)), Some((_, Some(spoken), _))) => other < spoken,
            (Some(_), None) => true,
            (_, Some(_)) => false,
            (None, None) => return Ok(out),
        };
        let next = if first { others.next().map(|(_, item)| item) } else { spoken.next().map(|(.., item)| item) };
        out.extend(next);
    }
}

/// What has nothing to be merged into, without nulls and without objects that have a directive.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(PATCH) => None,
        Value::Object(map) => {
            let fields = map.into_iter().filter(|(_, value)| !value.is_null());
            Some(Value::Object(fields.filter_map(|(name, value)| Some((name, without_directives(value)?))).collect()))
        }
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        value => Some(value),
    }
}

fn unknown(directive: &Value, map: &Map<String, Value>) -> PatchError {
    PatchError::Odd(format!("unknown patch type: {} in map: {}", plain(directive), plain(&Value::Object(map.clone()))))
}
