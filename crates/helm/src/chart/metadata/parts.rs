//! The fields of Go's structs as they are written: in their order, without what is empty.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A struct that is written field by field.
pub(crate) trait Parts {
    /// Visits every field, in Go's order.
    fn each<'p>(&'p self, visit: &mut dyn FnMut(&'static str, Part<'p>));
}

/// The value of a field. All but [`Part::Required`] are left away where they are empty.
pub(crate) enum Part<'p> {
    Text(&'p str),
    Required(&'p str),
    Flag(bool),
    Texts(&'p [String]),
    Map(&'p BTreeMap<String, String>),
    Values(&'p [Value]),
    /// Other structs; none is null.
    Nodes(Vec<Option<&'p dyn Parts>>),
}

impl<'p> Part<'p> {
    pub(super) fn nodes<T: Parts>(nodes: &'p [Option<T>]) -> Self {
        Self::Nodes(nodes.iter().map(|node| node.as_ref().map(|node| node as &dyn Parts)).collect())
    }

    pub(crate) fn is_left_away(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Required(_) => false,
            Self::Flag(flag) => !flag,
            Self::Texts(texts) => texts.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Values(values) => values.is_empty(),
            Self::Nodes(nodes) => nodes.is_empty(),
        }
    }
}

/// A struct as an untyped value.
pub(crate) fn value(node: &dyn Parts) -> Value {
    let mut map = Map::new();
    node.each(&mut |name, part| {
        if part.is_left_away() {
            return;
        }
        let value = match part {
            Part::Text(text) | Part::Required(text) => text.into(),
            Part::Flag(flag) => flag.into(),
            Part::Texts(texts) => texts.into(),
            Part::Map(map) => map.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect::<Map<_, _>>().into(),
            Part::Values(values) => values.into(),
            Part::Nodes(nodes) => nodes.into_iter().map(|node| node.map_or(Value::Null, value)).collect::<Vec<_>>().into(),
        };
        map.insert(name.to_owned(), value);
    });
    Value::Object(map)
}
