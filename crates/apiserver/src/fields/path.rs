//! Paths to fields, and sets of them in the form that `managedFields` has.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use headwater_golang::float::general;
use headwater_golang::{json, quote};
use serde_json::{Map, Value};

/// One step from a value to a part of it.
#[derive(Debug, Clone)]
pub(super) enum Element {
    /// A field or key of a map.
    Field(String),
    /// The item of a list with these values of its key fields, sorted by name.
    Key(Vec<(String, Value)>),
    /// The item of a set.
    Value(Value),
    /// An item by its place.
    Index(i64),
}

/// A total order of values in which numbers are equal when they count the same.
pub(super) fn order(a: &Value, b: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            a.iter().zip(b).map(|(a, b)| order(a, b)).find(|found| found.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let (a, b): (BTreeMap<_, _>, BTreeMap<_, _>) = (a.iter().collect(), b.iter().collect());
            let pairs = a.iter().zip(&b).map(|((k, v), (l, w))| k.cmp(l).then_with(|| order(v, w)));
            pairs.into_iter().find(|found| found.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Whether two values are the same to a client.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    order(a, b).is_eq()
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        fn rank(element: &Element) -> u8 {
            match element {
                Element::Field(_) => 0,
                Element::Key(_) => 1,
                Element::Value(_) => 2,
                Element::Index(_) => 3,
            }
        }
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let pairs = a.iter().zip(b).map(|((k, v), (l, w))| k.cmp(l).then_with(|| order(v, w)));
                pairs.into_iter().find(|found| found.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => order(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Element {}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<_> = keys.iter().map(|(name, value)| format!("{name}={}", scalar(value))).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", scalar(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A value within a path.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Number(number) if number.is_f64() => number.as_f64().map(general).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// A path as clients see it, such as `.spec.ports[port=80].name`.
pub(super) fn printed(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}

impl Element {
    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{}", json::value(&Value::Object(keys.iter().cloned().collect()))),
            Self::Value(value) => format!("v:{}", json::value(value)),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// `Ok(None)` for what a later version may have added.
    fn decode(text: &str) -> Result<Option<Self>, String> {
        let Some((kind, rest)) = text.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
            return Err(if text.len() < 2 { "key must be 2 characters long:".to_owned() } else { format!("missing colon: {text}") });
        };
        let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
        Ok(Some(match kind {
            "f" => Self::Field(rest.to_owned()),
            "v" => Self::Value(json(rest)?),
            "k" => match json(rest)? {
                Value::Object(map) => Self::Key(map.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect()),
                _ => return Err(format!("not a key: {text}")),
            },
            "i" => Self::Index(rest.parse().map_err(|_| format!("not an index: {text}"))?),
            _ => return Ok(None),
        }))
    }
}

/// A set of fields. A field that is in the set does not bring in what is below it, nor what is above.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Set(pub(super) BTreeMap<Element, Node>);

/// What a set says of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// The field itself is in the set.
    pub(super) member: bool,
    /// What is in the set below it.
    pub(super) below: Set,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl Set {
    /// Whether nothing is in the set. Nodes without members are never kept.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the field at the path; the root is never a member.
    pub(super) fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else { return };
        let node = self.0.entry(first.clone()).or_default();
        if rest.is_empty() {
            node.member = true;
        } else {
            node.below.insert(rest);
        }
    }

    /// Removes the field at the path alone.
    pub(super) fn remove(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else { return };
        if let Some(node) = self.0.get_mut(first) {
            if rest.is_empty() {
                node.member = false;
            } else {
                node.below.remove(rest);
            }
            if node.is_empty() {
                self.0.remove(first);
            }
        }
    }

    /// Whether exactly this field is in the set.
    pub(super) fn has(&self, path: &[Element]) -> bool {
        match path.split_first() {
            None => false,
            Some((first, [])) => self.0.get(first).is_some_and(|node| node.member),
            Some((first, rest)) => self.0.get(first).is_some_and(|node| node.below.has(rest)),
        }
    }

    /// What is in either.
    pub(super) fn union(mut self, other: &Self) -> Self {
        for (element, node) in &other.0 {
            let mine = self.0.entry(element.clone()).or_default();
            mine.member |= node.member;
            mine.below = std::mem::take(&mut mine.below).union(&node.below);
        }
        self
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let both = |(element, node): (&Element, &Node)| {
            let theirs = other.0.get(element)?;
            let both = Node { member: node.member && theirs.member, below: node.below.intersection(&theirs.below) };
            (!both.is_empty()).then(|| (element.clone(), both))
        };
        Self(self.0.iter().filter_map(both).collect())
    }

    /// What is in this but not in the other.
    pub(super) fn difference(mut self, other: &Self) -> Self {
        for (element, node) in &other.0 {
            if let Some(mine) = self.0.get_mut(element) {
                mine.member &= !node.member;
                mine.below = std::mem::take(&mut mine.below).difference(&node.below);
                if mine.is_empty() {
                    self.0.remove(element);
                }
            }
        }
        self
    }

    /// Without these fields at the top and all below them.
    pub(super) fn without(mut self, fields: &[&str]) -> Self {
        self.0.retain(|element, _| !matches!(element, Element::Field(name) if fields.contains(&name.as_str())));
        self
    }

    /// Every path in the set, those of a level before those below it.
    pub(super) fn paths(&self) -> Vec<Vec<Element>> {
        let mut found: Vec<_> = self.0.iter().filter(|(_, node)| node.member).map(|(element, _)| vec![element.clone()]).collect();
        for (element, node) in &self.0 {
            found.extend(node.below.paths().into_iter().map(|path| [vec![element.clone()], path].concat()));
        }
        found
    }

    /// As `fieldsV1`.
    pub(super) fn encode(&self) -> Value {
        let node = |(element, node): (&Element, &Node)| {
            let mut below = node.below.encode();
            if let Value::Object(map) = &mut below
                && node.member
                && !map.is_empty()
            {
                map.insert(".".into(), Value::Object(Map::new()));
            }
            (element.encode(), below)
        };
        Value::Object(self.0.iter().map(node).collect())
    }

    /// From `fieldsV1`.
    pub(super) fn decode(value: &Value) -> Result<Self, String> {
        let Value::Object(map) = value else { return Err("fieldsV1 must be an object".to_owned()) };
        let mut set = Self::default();
        for (key, value) in map.iter().filter(|(key, _)| *key != ".") {
            if let Some(element) = Element::decode(key)? {
                let below = Self::decode(value)?;
                let member = value.get(".").is_some() || below.is_empty();
                set.0.insert(element, Node { member, below });
            }
        }
        Ok(set)
    }
}
