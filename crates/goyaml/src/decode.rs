//! From a tree to a value of JSON: aliases, merges, keys that are no strings, numbers.

use std::collections::HashSet;

use headwater_golang::float::general;
use headwater_golang::quote;
use serde_json::{Map, Number, Value};

use super::Limits;
use super::budget::{Budget, Origin};
use super::error::{Error, Problem};
use super::float::whole;
use super::scalar::{Scalar, is_merge, resolve, resolve_tagged};
use super::tree::{Id, Kind, Node, Tree, read};

/// The depth that the recursion over a document may have, whatever the limit; a thread's stack of 2 MiB bears twice as much.
const DEEPEST: usize = 200;

/// What becomes of numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Whole numbers stay whole with all digits, floats stay floats.
    Typed,
    /// As after they were written as JSON and read again: the same, but whole floats become whole numbers.
    Exact,
    /// All go through a float of 64 bits.
    Floats,
}

/// What becomes of equal keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    LastWins,
    /// They are refused, also where one of them was merged.
    Strict,
    /// They are refused where one map has both; a key may replace one that was merged.
    Distinct,
}

/// What a key of YAML is in JSON.
enum Key {
    Text(String),
    /// How upstream describes a key that has no text, and what is wrong with it.
    Unsupported(String, &'static str),
}

/// A document that was read.
pub(super) struct Decoded {
    pub value: Value,
    /// The line that it begins in, from 0; 0 if there is none.
    pub line: usize,
    /// How many values were read for it.
    pub count: usize,
}

pub(super) fn decode(text: &[u8], limits: Limits, numbers: Numbers, keys: Keys) -> Result<Decoded, Error> {
    let limits = Limits { depth: limits.depth.min(DEEPEST), ..limits };
    let tree = read(text, limits)?;
    let Some(root) = tree.root else { return Ok(Decoded { value: Value::Null, line: 0, count: 0 }) };
    let mut decoder = Decoder {
        tree: &tree,
        limits,
        numbers,
        keys,
        expanding: HashSet::new(),
        depth: 0,
        budget: Budget::default(),
        repeated: Vec::new(),
        no_json: None,
    };
    let value = decoder.value(root)?;
    if !decoder.repeated.is_empty() {
        return Err(Error::Repeated(decoder.repeated));
    }
    match decoder.no_json {
        Some(problem) => Err(Error::NoJson(problem)),
        None => Ok(Decoded { value, line: decoder.line(root), count: decoder.budget.count() }),
    }
}

struct Decoder<'t> {
    tree: &'t Tree,
    limits: Limits,
    numbers: Numbers,
    keys: Keys,
    /// The aliases that are being expanded.
    expanding: HashSet<Id>,
    depth: usize,
    budget: Budget,
    /// Complaints about keys, all told at the end.
    repeated: Vec<Problem>,
    /// What JSON cannot say, first; upstream finds it only after all that is wrong with the YAML.
    no_json: Option<Problem>,
}

impl<'t> Decoder<'t> {
    fn value(&mut self, id: Id) -> Result<Value, Error> {
        self.begin()?;
        let Some(node) = self.node(id) else { return Ok(Value::Null) };
        match &node.kind {
            Kind::Alias { name, target } => {
                self.expand(id, name)?;
                let value = self.value(*target);
                self.expanding.remove(&id);
                value
            }
            Kind::Scalar { tag, text, plain } => {
                let scalar = scalar(tag.as_deref(), text, *plain).map_err(|problem| Error::Syntax(problem.in_line(node.line)))?;
                Ok(self.json(scalar, node.line))
            }
            Kind::List(items) => {
                self.enter()?;
                let list = items.iter().map(|item| self.value(*item)).collect::<Result<_, _>>()?;
                self.depth -= 1;
                Ok(Value::Array(list))
            }
            Kind::Map(entries) => {
                let mut map = Map::new();
                self.fill(entries, &mut map)?;
                Ok(Value::Object(map))
            }
        }
    }

    /// Reads a map's entries over those that are there.
    fn fill(&mut self, entries: &'t [Id], map: &mut Map<String, Value>) -> Result<(), Error> {
        self.enter()?;
        let mut own = HashSet::new();
        for pair in entries.chunks_exact(2) {
            let (key, value) = (pair[0], pair[1]);
            if self.is_merge(key) {
                self.merge(value, map)?;
                continue;
            }
            let name = self.key(key)?;
            let read = self.value(value)?;
            let name = match name {
                Key::Text(name) => name,
                Key::Unsupported(described, outline) => {
                    let problem = || Problem::new(format!("unsupported map key of type: {described}, value: {}", go_syntax(&read)));
                    let line = self.line(key);
                    self.no_json.get_or_insert_with(|| problem().outlined(outline).in_line(line));
                    continue;
                }
            };
            let is_repeated = match self.keys {
                Keys::LastWins => false,
                Keys::Strict => map.contains_key(&name),
                Keys::Distinct => !own.insert(name.clone()),
            };
            if is_repeated {
                // Upstream takes the line of the value.
                let line = self.line(value);
                let name = quote(&name);
                let problem = Problem::new(format!("key {name} already set in map")).outlined(format!("duplicate key {name}"));
                self.repeated.push(problem.in_line(line).naming(line + 1));
                continue;
            }
            map.insert(name, read);
        }
        self.depth -= 1;
        Ok(())
    }

    fn is_merge(&self, key: Id) -> bool {
        matches!(self.node(key).map(|node| &node.kind), Some(Kind::Scalar { tag, text, plain }) if is_merge(text, tag.as_deref(), *plain))
    }

    /// `<<`: a map, an alias of one, or a list of those, of which the first counts most.
    fn merge(&mut self, id: Id, map: &mut Map<String, Value>) -> Result<(), Error> {
        match self.node(id).map(|node| &node.kind) {
            Some(Kind::List(parts)) => parts.iter().rev().try_for_each(|part| self.merge_map(*part, map)),
            _ => self.merge_map(id, map),
        }
    }

    fn no_merge(&self, id: Id) -> Error {
        Error::Syntax(Problem::new("map merge requires map or sequence of maps as the value").in_line(self.line(id)))
    }

    fn merge_map(&mut self, id: Id, map: &mut Map<String, Value>) -> Result<(), Error> {
        self.begin()?;
        match self.node(id).map(|node| &node.kind) {
            Some(Kind::Map(entries)) => self.fill(entries, map),
            Some(Kind::Alias { name, target }) => {
                self.expand(id, name)?;
                let merged = match self.node(*target).map(|node| &node.kind) {
                    Some(Kind::Map(entries)) => self.begin().and_then(|()| self.fill(entries, map)),
                    _ => Err(self.no_merge(id)),
                };
                self.expanding.remove(&id);
                merged
            }
            _ => Err(self.no_merge(id)),
        }
    }

    fn key(&mut self, id: Id) -> Result<Key, Error> {
        let mut target = id;
        while let Some(Node { kind: Kind::Alias { target: next, .. }, .. }) = self.node(target) {
            self.begin()?;
            target = *next;
        }
        let line = self.line(id);
        let Some(Node { kind: Kind::Scalar { tag, text, plain }, .. }) = self.node(target) else {
            let key = self.value(id)?;
            let problem = Problem::new(format!("invalid map key: {}", go_syntax(&key))).outlined("a key is a list or a map");
            return Err(Error::Syntax(problem.in_line(line)));
        };
        self.begin()?;
        Ok(match scalar(tag.as_deref(), text, *plain).map_err(|problem| Error::Syntax(problem.in_line(line)))? {
            Scalar::Text(text) => Key::Text(text),
            Scalar::Bool(truth) => Key::Text(truth.to_string()),
            Scalar::Int(number) => Key::Text(number.to_string()),
            Scalar::Float(number) => Key::Text(float_key(number)),
            Scalar::Null => Key::Unsupported(String::from("%!s(<nil>), key: <nil>"), "a key is null"),
            Scalar::Uint(number) => Key::Unsupported(format!("uint64, key: {number:#x}"), "a key is a number above 9223372036854775807"),
        })
    }

    fn json(&mut self, scalar: Scalar, line: usize) -> Value {
        let number = match (scalar, self.numbers) {
            (Scalar::Null, _) => return Value::Null,
            (Scalar::Bool(truth), _) => return Value::Bool(truth),
            (Scalar::Text(text), _) => return Value::String(text),
            (Scalar::Int(number), Numbers::Typed | Numbers::Exact) => return number.into(),
            (Scalar::Uint(number), Numbers::Typed | Numbers::Exact) => return number.into(),
            #[expect(clippy::cast_precision_loss, reason = "what upstream does")]
            (Scalar::Int(number), Numbers::Floats) => number as f64,
            #[expect(clippy::cast_precision_loss, reason = "what upstream does")]
            (Scalar::Uint(number), Numbers::Floats) => number as f64,
            (Scalar::Float(number), _) => number,
        };
        if let (Numbers::Exact | Numbers::Floats, Some(number)) = (self.numbers, whole(number)) {
            return Value::Number(number);
        }
        Number::from_f64(number).map_or_else(
            || {
                let problem = || Problem::new(format!("json: unsupported value: {}", general(number)));
                self.no_json.get_or_insert_with(|| problem().in_line(line));
                Value::Null
            },
            Value::Number,
        )
    }

    fn node(&self, id: Id) -> Option<&'t Node> {
        self.tree.nodes.get(id)
    }

    /// The line that a node begins in, from 0.
    fn line(&self, id: Id) -> usize {
        self.node(id).map_or(0, |node| node.line)
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > self.limits.depth { Err(Error::TooDeep(self.limits.depth)) } else { Ok(()) }
    }

    fn expand(&mut self, id: Id, name: &str) -> Result<(), Error> {
        if self.expanding.insert(id) {
            return Ok(());
        }
        let problem = Problem::new(format!("anchor '{name}' value contains itself"));
        Err(Error::Syntax(problem.in_line(self.line(id))))
    }

    /// Counts a value.
    fn begin(&mut self) -> Result<(), Error> {
        self.budget.spend(if self.expanding.is_empty() { Origin::Text } else { Origin::Alias })?;
        if self.budget.count() > self.limits.nodes.saturating_add(1) { Err(Error::TooMany(self.limits.nodes)) } else { Ok(()) }
    }
}

fn scalar(tag: Option<&str>, text: &str, plain: bool) -> Result<Scalar, Problem> {
    match tag.filter(|tag| !tag.is_empty()) {
        Some(tag) => resolve_tagged(tag, text).map_err(Problem::of_tag),
        None if plain => Ok(resolve(text)),
        None => Ok(Scalar::Text(text.to_owned())),
    }
}

/// A float as a key; upstream writes it with the digits of 32 bits.
fn float_key(number: f64) -> String {
    if number.is_nan() {
        String::from(".nan")
    } else if number == f64::INFINITY {
        String::from(".inf")
    } else if number == f64::NEG_INFINITY {
        String::from("-.inf")
    } else {
        super::float::narrow(number)
    }
}

/// A value as Go's `%#v` shows it; users know it from templates without quotes (`key: {{ .Values.x }}`).
fn go_syntax(value: &Value) -> String {
    if value.is_null() { String::from("<nil>") } else { go_element(value) }
}

fn go_element(value: &Value) -> String {
    match value {
        Value::Null => String::from("interface {}(nil)"),
        Value::String(text) => quote(text),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[]interface {{}}{{{}}}", items.iter().map(go_element).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{}:{}", quote(key), go_element(value))).collect();
            format!("map[interface {{}}]interface {{}}{{{}}}", entries.join(", "))
        }
    }
}
