//! Strategic merge patches: merge patches that know which lists are merged by item, with directives for the rest.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::PatchError;
use crate::apiserver::fields::{go_type, plain};

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
    match patch.get(PATCH).and_then(Value::as_str) {
        Some("replace") => {
            patch.remove(PATCH);
            return Ok(patch);
        }
        Some("delete") => return Ok(Map::new()),
        _ => {}
    }
    if let Some(directive) = patch.get(PATCH) {
        return Err(unknown(directive, &patch));
    }
    retain(&mut old, &mut patch)?;
    set_order(&mut old, &mut patch, resource, at)?;
    for (name, mut value) in patch {
        let deletes = name.strip_prefix(DELETE_FROM).map(str::to_owned);
        let is_delete = deletes.is_some();
        let name = deletes.unwrap_or(name);
        if value.is_null() {
            old.remove(&name);
            continue;
        }
        let below = format!("{at}/{name}");
        match (old.remove(&name), value) {
            (Some(Value::Object(map)), Value::Object(value)) => {
                old.insert(name, merge_map(map, value, resource, &below)?.into());
            }
            (Some(Value::Array(items)), Value::Array(value)) => {
                old.insert(name, merge_list(items, value, Strategy::of(resource, &below), is_delete, resource, &below)?.into());
            }
            (before, _) if is_delete => {
                if let Some(before) = before {
                    old.insert(name, before);
                }
            }
            (_, fresh) => {
                value = fresh;
                drop_nulls(&mut value);
                if let Some(value) = without_directives(value) {
                    old.insert(name, value);
                }
            }
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

/// `$setElementOrder/list`: merges that list, and puts it in this order.
fn set_order(old: &mut Map<String, Value>, patch: &mut Map<String, Value>, resource: &str, at: &str) -> Result<()> {
    let directives: Vec<_> = patch.keys().filter(|name| name.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let name = directive.strip_prefix(SET_ORDER).unwrap_or_default();
        let list = |value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => {
                let kind = if other.is_null() { "%!s(<nil>)" } else { go_type(&other) };
                Err(PatchError::Odd(format!("expected a []interface {{}}, but received a {kind}")))
            }
        };
        let order = list(patch.remove(&directive))?.unwrap_or_default();
        let before = list(old.get(name).cloned())?;
        let change = list(patch.remove(name))?;
        let below = format!("{at}/{name}");
        let strategy = Strategy::of(resource, &below);
        check_order(change.as_deref().unwrap_or_default(), &order, strategy)?;
        let server = before.clone().unwrap_or_default();
        let merged = match (before, change) {
            (None, None) => continue,
            (Some(before), None) => before,
            (None, Some(change)) => change.into_iter().filter_map(without_directives).collect(),
            (Some(before), Some(change)) => match strategy {
                Strategy::Replace => change,
                strategy => merge_list(before, change, strategy, false, resource, &below)?,
            },
        };
        old.insert(name.to_owned(), ordered(merged, &order, &server, strategy)?.into());
    }
    Ok(())
}

/// The items of a patch have to be in the order that the patch asks for.
fn check_order(change: &[Value], order: &[Value], strategy: Strategy) -> Result<()> {
    if order.is_empty() {
        return Ok(());
    }
    let mut places = order.iter();
    for item in change.iter().filter(|item| item.get(PATCH).is_none()) {
        let wanted = strategy.identity(item)?;
        if !places.any(|place| strategy.identity(place).is_ok_and(|place| place == wanted)) {
            let [change, order] = [change, order].map(|items| plain(&Value::Array(items.to_vec())));
            return Err(PatchError::Odd(format!("The order in patch list:\n{change}\n doesn't match $setElementOrder list:\n{order}\n")));
        }
    }
    Ok(())
}

fn merge_list(mut old: Vec<Value>, patch: Vec<Value>, strategy: Strategy, is_delete: bool, resource: &str, at: &str) -> Result<Vec<Value>> {
    if matches!(strategy, Strategy::Replace) && !is_delete {
        return Ok(patch);
    }
    let mut all = old.iter().chain(&patch);
    let Some(first) = all.next() else { return Ok(old) };
    if first.is_array() {
        return Err(PatchError::Unfit);
    }
    if all.any(|item| go_type(item) != go_type(first)) {
        let both = Value::Array(vec![old.into(), patch.into()]);
        return Err(PatchError::Odd(format!("list element types are not identical: {}", plain(&both))));
    }
    if !first.is_object() {
        if is_delete {
            old.retain(|item| !patch.contains(item));
            return Ok(old);
        }
        let mut merged: Vec<Value> = Vec::new();
        for item in old.iter().chain(&patch) {
            if !merged.contains(item) {
                merged.push(item.clone());
            }
        }
        return ordered(merged, &patch, &old, strategy);
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
        match merged.iter_mut().find(|item| strategy.identity(item).ok() == Some(wanted)) {
            Some(found) => {
                let [before, item] = [found.take(), item.clone()].map(|item| if let Value::Object(map) = item { map } else { Map::new() });
                *found = merge_map(before, item, resource, at)?.into();
            }
            None => merged.push(item.clone()),
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

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Nothing is left of objects with a directive that have nothing to be merged into.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(PATCH) => None,
        Value::Object(map) => {
            Some(Value::Object(map.into_iter().filter_map(|(name, value)| Some((name, without_directives(value)?))).collect()))
        }
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        value => Some(value),
    }
}

fn unknown(directive: &Value, map: &Map<String, Value>) -> PatchError {
    PatchError::Odd(format!("unknown patch type: {} in map: {}", plain(directive), plain(&Value::Object(map.clone()))))
}
