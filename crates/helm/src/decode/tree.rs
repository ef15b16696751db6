//! A value that was read as a whole, as a source of events: keys in the order in which Go's JSON has them, each once.

use std::{slice, vec};

use serde_json::Value;

use super::Fault;
use super::source::{Event, Kind, Number, Rules, Source};

/// A value as events.
pub(crate) struct Tree<'v> {
    /// The next part, before the rest of the open ones.
    next: Option<&'v Value>,
    open: Vec<Open<'v>>,
    text: &'v str,
    number: Number,
}

enum Open<'v> {
    List(slice::Iter<'v, Value>),
    Map(vec::IntoIter<(&'v String, &'v Value)>),
}

impl<'v> Tree<'v> {
    pub(crate) fn new(value: &'v Value) -> Self {
        Self { next: Some(value), open: Vec::new(), text: "", number: Number::Float(0.0) }
    }

    fn begin(&mut self, value: &'v Value) -> Event {
        Event::Scalar(match value {
            Value::Null => Kind::Null,
            Value::Bool(truth) => Kind::Bool(*truth),
            Value::Number(number) => {
                let whole = number.as_i64().map(Number::Int).or_else(|| number.as_u64().map(Number::Uint));
                self.number = whole.unwrap_or_else(|| Number::Float(number.as_f64().unwrap_or(f64::NAN)));
                Kind::Number
            }
            Value::String(text) => {
                self.text = text;
                Kind::Text
            }
            Value::Array(items) => {
                self.open.push(Open::List(items.iter()));
                return Event::List;
            }
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                self.open.push(Open::Map(entries.into_iter()));
                return Event::Map;
            }
        })
    }
}

impl Source for Tree<'_> {
    fn next(&mut self) -> Result<Event, Fault> {
        if let Some(value) = self.next.take() {
            return Ok(self.begin(value));
        }
        let next = match self.open.last_mut() {
            Some(Open::List(items)) => items.next().map(|value| self.begin(value)),
            Some(Open::Map(entries)) => entries.next().map(|(key, value)| {
                self.text = key;
                self.next = Some(value);
                Event::Scalar(Kind::Text)
            }),
            None => None,
        };
        Ok(next.unwrap_or_else(|| {
            self.open.pop();
            Event::End
        }))
    }

    fn text(&self) -> &str {
        self.text
    }

    fn number(&self) -> Number {
        self.number
    }

    fn rules(&self) -> Rules {
        Rules::Typed
    }
}
