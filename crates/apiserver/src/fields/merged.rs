//! What a configuration makes of an object, and whether it is fit for that.

use std::collections::{BTreeMap, BTreeSet};

use headwater_golang::float::general;
use serde_json::{Map, Value};

use super::path::Element;
use super::typed::{Child, Shape, Type};

impl Type<'_> {
    /// The live value with what the configuration sets.
    pub(super) fn merge(self, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
        let (Some(old), Some(new)) = (live, config) else { return config.or(live).cloned() };
        let shape = self.shape(new);
        if self.is_leaf(shape, live, config) {
            return config.cloned();
        }
        let none = Map::new();
        if shape == Shape::Map {
            let (old, new) = (old.as_object().unwrap_or(&none), new.as_object().unwrap_or(&none));
            let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            let field = |name: &String| Some((name.clone(), self.below(name).merge(old.get(name), new.get(name))?));
            return Some(names.into_iter().filter_map(field).collect::<Map<_, _>>().into());
        }
        let (old, new) = (old.as_array().map_or(&[][..], Vec::as_slice), new.as_array().map_or(&[][..], Vec::as_slice));
        Some(self.merge_items(old, new).into())
    }

    /// Items that both have come in the order of the configuration; the others stay after what they followed.
    fn merge_items(self, live: &[Value], config: &[Value]) -> Vec<Value> {
        let known = |item| Some((self.element(item).ok()?, item));
        let live: Vec<(Element, &Value)> = live.iter().filter_map(known).collect();
        let config: Vec<(Element, &Value)> = config.iter().filter_map(known).collect();
        let mut by_element: BTreeMap<&Element, &Value> = BTreeMap::new();
        for (element, item) in &live {
            // Of items that are there more than once none is merged into.
            by_element.entry(element).and_modify(|item| *item = &Value::Null).or_insert(item);
        }
        let wanted: BTreeSet<_> = config.iter().map(|(element, _)| element).collect();
        let mut shared = config.iter().map(|(element, _)| element).filter(|element| by_element.contains_key(element)).peekable();
        let mut placed: BTreeSet<&Element> = BTreeSet::new();
        let mut out = Vec::with_capacity(live.len().max(config.len()));
        let (mut old, mut new) = (live.iter().peekable(), config.iter().peekable());
        while old.peek().is_some() || new.peek().is_some() {
            if let Some((element, item)) = old.peek().copied() {
                let here = new.peek().is_some_and(|(next, _)| next == element);
                let later = new.peek().is_some() && shared.peek().is_some_and(|next| *next != element);
                if !wanted.contains(element) {
                    out.extend(self.items().merge(Some(item), None));
                    old.next();
                    continue;
                } else if !here && later {
                    // Out of order: it comes where the configuration has it.
                    old.next();
                    continue;
                } else if here || placed.contains(element) {
                    old.next();
                }
            }
            if let Some((element, item)) = new.next() {
                placed.insert(element);
                shared.next_if(|next| *next == element);
                out.extend(self.items().merge(by_element.get(element).copied(), Some(item)));
            }
        }
        out
    }

    /// What is wrong with a configuration, a line each.
    pub(super) fn check(self, value: &Value, path: &str, wrong: &mut Vec<String>) {
        let mut say = |text: String| wrong.push(if path.is_empty() { text } else { format!("{path}: {text}") });
        match (self.shape(value), value) {
            (_, Value::Null) => {}
            (Shape::Map, Value::Object(map)) => {
                for (name, value) in map {
                    match self.child(name) {
                        Child::Named(found) | Child::Other(found) => found.check(value, &format!("{path}.{name}"), wrong),
                        Child::Unknown => wrong.push(format!("{path}.{name}: field not declared in schema")),
                    }
                }
            }
            (Shape::Map, value) => say(format!("expected map, got &{{{}}}", plain(value))),
            (Shape::List, Value::Array(items)) => {
                let mut seen = BTreeSet::new();
                for (index, item) in items.iter().enumerate() {
                    let element = if self.is_atomic(Shape::List) {
                        Element::Index(i64::try_from(index).unwrap_or(i64::MAX))
                    } else {
                        match self.element(item) {
                            Ok(element) => element,
                            Err(error) => return wrong.push(format!("{path}: element {index}: {error}")),
                        }
                    };
                    if seen.contains(&element) {
                        wrong.push(format!("{path}: duplicate entries for key {element}"));
                    }
                    self.items().check(item, &format!("{path}{element}"), wrong);
                    seen.insert(element);
                }
            }
            (Shape::List, value) => say(format!("expected list, got &{{{}}}", plain(value))),
            (Shape::Scalar, value) => {
                let schema = self.schema;
                match (schema.and_then(|schema| schema.type_.as_deref()), value) {
                    (Some("integer" | "number"), value) if !value.is_number() => {
                        say(format!("expected numeric (int or float), got {}", go_type(value)));
                    }
                    (Some("string"), value) if schema.is_some_and(|schema| schema.format.is_none()) && !value.is_string() => {
                        say(format!("expected string, got &value.valueUnstructured{{Value:{}}}", plain(value)));
                    }
                    (Some("boolean"), value) if !value.is_boolean() => say(format!("expected boolean, got &{{{}}}", plain(value))),
                    (_, Value::Object(_) | Value::Array(_)) => say(format!("expected any scalar, got &{{{}}}", plain(value))),
                    _ => {}
                }
            }
        }
    }
}

/// As Go prints a value with `%v`.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let fields: BTreeMap<_, _> = map.iter().collect();
            format!("map[{}]", fields.into_iter().map(|(name, value)| format!("{name}:{}", plain(value))).collect::<Vec<_>>().join(" "))
        }
        Value::Number(number) if number.is_f64() => number.as_f64().map(general).unwrap_or_default(),
        value => value.to_string(),
    }
}

/// As Go prints the type of a value.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
