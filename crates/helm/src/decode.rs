//! Values of the types that charts and indexes have, with the leniency and the strictness of upstream's decoders.
//!
//! What is read goes *over* what the target holds, as repeated keys and second documents need it: null leaves texts and flags as they are,
//! lists are filled in place, maps are added to. Keys match whatever their case.

mod fault;
mod maps;
mod number;
mod source;
mod tree;

use std::collections::BTreeMap;

use headwater_golang::{quote, time};
use serde_json::{Map, Value};

pub use fault::Fault;
pub(crate) use source::{Event, Kind, Number, Rules, Source};
pub(crate) use tree::Tree;

/// How much a document may hold; what was read as a whole has bounds of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How deep lists and maps may nest.
    pub(crate) depth: usize,
    /// How many values there may be that have to be kept at the same time.
    pub(crate) held: usize,
}

/// Reads typed values out of a source.
pub(crate) struct Decoder<S> {
    pub(crate) source: S,
    bounds: Bounds,
    depth: usize,
    /// How many values have been read that have to be kept at the same time.
    pub(crate) held: usize,
    /// The Go struct that is read, and the names of the fields on the way to it and in it.
    path: (&'static str, Vec<&'static str>),
}

/// The places where upstream turns a bare number or boolean of an index into a string; elsewhere it fails, and the text as written is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Converted,
    Verbatim,
}

impl<'v> Decoder<Tree<'v>> {
    /// Decodes a value of a chart's file.
    pub(crate) fn of_tree(value: &'v Value) -> Self {
        Self::new(Tree::new(value), Bounds { depth: usize::MAX, held: usize::MAX })
    }
}

impl<S: Source> Decoder<S> {
    pub(crate) fn new(source: S, bounds: Bounds) -> Self {
        Self { source, bounds, depth: 0, held: 0, path: ("", Vec::new()) }
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Result<Event, Fault> {
        self.source.next()
    }

    /// Reads a string; null leaves what is there.
    pub(crate) fn string(&mut self, event: Event, place: Place, into: &mut String) -> Result<(), Fault> {
        let converted = match self.source.rules() {
            Rules::Typed => true,
            Rules::Strict => place == Place::Converted,
            Rules::Json => false,
        };
        match event {
            Event::Scalar(Kind::Null) => {}
            Event::Scalar(Kind::Number) if converted => *into = number::text(self.source.number()),
            Event::Scalar(Kind::Bool(truth)) if converted => *into = truth.to_string(),
            Event::Scalar(_) => self.source.text().clone_into(into),
            Event::List | Event::Map | Event::End => return Err(self.mismatch(event, "string")),
        }
        Ok(())
    }

    /// Reads a boolean; null leaves what is there.
    pub(crate) fn boolean(&mut self, event: Event, into: &mut bool) -> Result<(), Fault> {
        match event {
            Event::Scalar(Kind::Null) => {}
            Event::Scalar(Kind::Bool(truth)) => *into = truth,
            _ => return Err(self.mismatch(event, "bool")),
        }
        Ok(())
    }

    /// Reads a point in time and writes it as Go does; null leaves what is there.
    pub(crate) fn time(&mut self, event: Event, into: &mut String) -> Result<(), Fault> {
        match event {
            Event::Scalar(Kind::Null) => return Ok(()),
            Event::Scalar(Kind::Text) => {}
            _ => return Err(self.complain("Time.UnmarshalJSON: input is not a JSON string")),
        }
        let text = self.source.text();
        let Some(time) = time::normalise(text).filter(|_| self.source.is_verbatim()) else {
            let text = quote(text);
            return Err(self.complain(&format!("parsing time {text} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text}")));
        };
        *into = time;
        Ok(())
    }

    /// Reads a list of this Go type; null empties it.
    pub(crate) fn list<T: Default>(
        &mut self,
        event: Event,
        wanted: &str,
        into: &mut Vec<T>,
        mut each: impl FnMut(&mut Self, Event, &mut T) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match event {
            Event::Scalar(Kind::Null) => into.clear(),
            Event::List => {
                let mut count = 0;
                self.enter()?;
                loop {
                    let event = self.next()?;
                    if event == Event::End {
                        break;
                    }
                    self.hold()?;
                    if count == into.len() {
                        into.push(T::default());
                    }
                    if let Some(item) = into.get_mut(count) {
                        each(self, event, item)?;
                    }
                    count += 1;
                }
                self.depth -= 1;
                into.truncate(count);
            }
            _ => return Err(self.mismatch(event, wanted)),
        }
        Ok(())
    }

    /// Reads a list of strings.
    pub(crate) fn strings(&mut self, event: Event, place: Place, into: &mut Vec<String>) -> Result<(), Fault> {
        self.list(event, "[]string", into, |decoder, event, item| decoder.string(event, place, item))
    }

    /// Reads a list of strings; null makes it absent.
    pub(crate) fn some_strings(&mut self, event: Event, place: Place, into: &mut Option<Vec<String>>) -> Result<(), Fault> {
        if event == Event::Scalar(Kind::Null) {
            *into = None;
            return Ok(());
        }
        self.strings(event, place, into.get_or_insert_default())
    }

    /// Reads a map of strings; null empties it.
    pub(crate) fn string_map(&mut self, event: Event, place: Place, into: &mut BTreeMap<String, String>) -> Result<(), Fault> {
        if event == Event::Scalar(Kind::Null) {
            into.clear();
            return Ok(());
        }
        self.map(event, "map[string]string", |decoder, key| {
            let mut value = String::new();
            let event = decoder.next()?;
            decoder.string(event, place, &mut value)?;
            into.insert(key.to_owned(), value);
            Ok(())
        })
    }

    /// Reads anything; numbers are floats, those that are whole are whole numbers where they fit.
    pub(crate) fn any(&mut self, event: Event) -> Result<Value, Fault> {
        Ok(match event {
            Event::Scalar(Kind::Null) => Value::Null,
            Event::Scalar(Kind::Bool(truth)) => Value::Bool(truth),
            Event::Scalar(Kind::Number) => {
                let value = self.source.number().as_float();
                let unsupported = || self.complain(&format!("json: unsupported value: {}", number::text(Number::Float(value))));
                Value::Number(number::of(value).ok_or_else(unsupported)?)
            }
            Event::Scalar(Kind::Text) => Value::String(self.source.text().to_owned()),
            Event::List => {
                let mut items = Vec::new();
                self.list(event, "[]interface {}", &mut items, |decoder, event, item| {
                    *item = decoder.any(event)?;
                    Ok(())
                })?;
                Value::Array(items)
            }
            Event::Map => {
                let mut map = Map::new();
                self.map(event, "map[string]interface {}", |decoder, key| {
                    let event = decoder.next()?;
                    let value = decoder.any(event)?;
                    map.insert(key.to_owned(), value);
                    Ok(())
                })?;
                Value::Object(map)
            }
            Event::End => return Err(self.mismatch(event, "interface {}")),
        })
    }

    fn hold(&mut self) -> Result<(), Fault> {
        self.held += 1;
        if self.held > self.bounds.held { Err(Fault::TooManyValues { limit: self.bounds.held }) } else { Ok(()) }
    }

    fn enter(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > self.bounds.depth { Err(Fault::TooDeep { limit: self.bounds.depth }) } else { Ok(()) }
    }

    /// The error for a value of another type than `wanted`.
    pub(crate) fn mismatch(&self, event: Event, wanted: &str) -> Fault {
        let found = match event {
            Event::Scalar(Kind::Null) => "null",
            Event::Scalar(Kind::Bool(_)) => "bool",
            Event::Scalar(Kind::Number) => "number",
            Event::Scalar(Kind::Text) => "string",
            Event::List => "array",
            Event::Map | Event::End => "object",
        };
        let (holder, fields) = &self.path;
        let place = if self.source.rules() == Rules::Typed && !fields.is_empty() {
            format!("Go struct field {holder}.{}", fields.join("."))
        } else {
            "Go value".to_owned()
        };
        self.complain(&format!("json: cannot unmarshal {found} into {place} of type {wanted}"))
    }

    /// The error with this message of Go's JSON decoder.
    pub(crate) fn complain(&self, message: &str) -> Fault {
        match self.source.rules() {
            Rules::Strict | Rules::Typed => Fault::Value(format!("error unmarshaling JSON: while decoding JSON: {message}")),
            Rules::Json => Fault::Value(message.to_owned()),
        }
    }
}
