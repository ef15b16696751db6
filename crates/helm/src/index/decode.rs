//! Reading values of the types that an index has, with the leniency and the strictness of upstream's decoders.

use std::collections::{BTreeMap, HashMap, HashSet};

use headwater_golang::{quote, time};

use super::source::{Event, Kind, Number, Rules, Source, Truth};
use super::text;
use super::{Error, Limits, number};

/// Reads typed values out of a source. What is read replaces or completes what is there, as repeated keys need it.
pub(super) struct Decoder<'a, S> {
    pub(super) source: S,
    pub(super) limits: &'a Limits,
    depth: usize,
    /// How many values have been read that have to be kept at the same time.
    pub(super) held: usize,
}

/// How many values a version, or another part of an index, may have.
const HELD: usize = 100_000;

/// Whether upstream turns a bare number or boolean into a string at some place; elsewhere it fails, and the text as written is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Converted,
    Verbatim,
}

/// A value that upstream does not interpret.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Any {
    #[default]
    Null,
    Bool(Truth),
    Number(f64),
    Text(String),
    List(Vec<Any>),
    Map(BTreeMap<String, Any>),
}

/// Reads the value of a key, given the keys so far.
type Each<'f, D> = dyn FnMut(&mut D, &str, &Seen) -> Result<(), Error> + 'f;

/// The keys of a map so far.
#[derive(Default)]
struct Seen {
    few: Vec<String>,
    many: HashSet<String>,
}

impl Seen {
    /// Adds a key and says whether it is new.
    fn add(&mut self, key: &str) -> bool {
        if self.has(key) {
            return false;
        }
        if self.few.len() < 32 {
            self.few.push(key.to_owned());
            return true;
        }
        self.many.insert(key.to_owned())
    }

    fn has(&self, key: &str) -> bool {
        self.few.iter().any(|k| k == key) || self.many.contains(key)
    }
}

impl<'a, S: Source> Decoder<'a, S> {
    pub(super) fn new(source: S, limits: &'a Limits) -> Self {
        Self { source, limits, depth: 0, held: 0 }
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Result<Event, Error> {
        self.source.next()
    }

    /// Reads a string; null leaves what is there.
    pub(super) fn string(&mut self, event: Event, place: Place, into: &mut String) -> Result<(), Error> {
        let converted = place == Place::Converted && self.source.rules() == Rules::Yaml;
        match event {
            Event::Scalar(Kind::Null) => {}
            Event::Scalar(Kind::Number) if converted => *into = number::text(self.source.number()),
            Event::Scalar(Kind::Bool(truth)) if converted => {
                if truth == Truth::True { "true" } else { "false" }.clone_into(into);
            }
            Event::Scalar(_) => self.source.text().clone_into(into),
            Event::List | Event::Map | Event::End => return Err(self.mismatch(event, "string")),
        }
        Ok(())
    }

    /// Reads a boolean; null leaves what is there.
    pub(super) fn boolean(&mut self, event: Event, into: &mut Truth) -> Result<(), Error> {
        match event {
            Event::Scalar(Kind::Null) => {}
            Event::Scalar(Kind::Bool(truth)) => *into = truth,
            _ => return Err(self.mismatch(event, "bool")),
        }
        Ok(())
    }

    /// Reads a point in time and writes it as Go does; null leaves what is there.
    pub(super) fn time(&mut self, event: Event, into: &mut String) -> Result<(), Error> {
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

    /// Reads a list; null makes it absent.
    pub(super) fn list<T: Default>(
        &mut self,
        event: Event,
        into: &mut Option<Vec<T>>,
        mut each: impl FnMut(&mut Self, Event, &mut T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match event {
            Event::Scalar(Kind::Null) => *into = None,
            Event::List => {
                let items = into.get_or_insert_default();
                let mut count = 0;
                self.enter()?;
                loop {
                    let event = self.next()?;
                    if event == Event::End {
                        break;
                    }
                    self.hold()?;
                    if count == items.len() {
                        items.push(T::default());
                    }
                    if let Some(item) = items.get_mut(count) {
                        each(self, event, item)?;
                    }
                    count += 1;
                }
                self.depth -= 1;
                items.truncate(count);
            }
            _ => return Err(self.mismatch(event, "[]string")),
        }
        Ok(())
    }

    /// Reads a list of strings.
    pub(super) fn strings(&mut self, event: Event, place: Place, into: &mut Option<Vec<String>>) -> Result<(), Error> {
        self.list(event, into, |decoder, event, item| decoder.string(event, place, item))
    }

    /// Reads a map of strings; null makes it absent.
    pub(super) fn string_map(&mut self, event: Event, place: Place, into: &mut Option<BTreeMap<String, String>>) -> Result<(), Error> {
        if event == Event::Scalar(Kind::Null) {
            *into = None;
            return Ok(());
        }
        let map = into.get_or_insert_default();
        self.map(event, "map[string]string", |decoder, key| {
            let mut value = String::new();
            let event = decoder.next()?;
            decoder.string(event, place, &mut value)?;
            map.insert(key.to_owned(), value);
            Ok(())
        })
    }

    /// Reads anything.
    pub(super) fn any(&mut self, event: Event) -> Result<Any, Error> {
        Ok(match event {
            Event::Scalar(Kind::Null) => Any::Null,
            Event::Scalar(Kind::Bool(truth)) => Any::Bool(truth),
            Event::Scalar(Kind::Number) => {
                let value = self.source.number();
                let value = if let Number::Float(float) = value { float } else { value.as_float() };
                if !value.is_finite() {
                    return Err(self.complain(&format!("json: unsupported value: {}", number::text(Number::Float(value)))));
                }
                Any::Number(value)
            }
            Event::Scalar(Kind::Text) => Any::Text(self.source.text().to_owned()),
            Event::List => {
                let mut items = None;
                self.list(event, &mut items, |decoder, event, item| {
                    *item = decoder.any(event)?;
                    Ok(())
                })?;
                Any::List(items.unwrap_or_default())
            }
            Event::Map => {
                let mut map = BTreeMap::new();
                self.map(event, "map", |decoder, key| {
                    let event = decoder.next()?;
                    let value = decoder.any(event)?;
                    map.insert(key.to_owned(), value);
                    Ok(())
                })?;
                Any::Map(map)
            }
            Event::End => return Err(self.mismatch(event, "interface {}")),
        })
    }

    /// Reads a map with the given fields; `each` reads the value of the field that it is given.
    pub(super) fn fields(
        &mut self,
        event: Event,
        name: &str,
        fields: &[&'static str],
        mut each: impl FnMut(&mut Self, &'static str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Of each field the last of the keys, as they sort, that are not written as it is.
        let mut odd: HashMap<&'static str, String> = HashMap::new();
        self.pairs_of(event, name, &mut |decoder: &mut Self, key: &str, seen: &Seen| {
            let exact = fields.iter().find(|field| **field == key);
            let field = exact.or_else(|| {
                let folded = text::folded(key);
                fields.iter().find(|field| text::folded(field) == folded)
            });
            let Some(field) = field else {
                return if decoder.source.rules() == Rules::Yaml {
                    Err(decoder.complain(&format!("json: unknown field {key:?}")))
                } else {
                    decoder.skip()
                };
            };
            if decoder.source.rules() == Rules::Yaml {
                // Of several keys for a field, the last as they sort counts.
                let behind = odd.get(field).is_some_and(|other| other.as_str() > key);
                if behind || (exact.is_none() && *field > key && seen.has(field)) {
                    return decoder.skip();
                }
                if exact.is_none() {
                    odd.insert(field, key.to_owned());
                }
            }
            each(decoder, field)
        })
    }

    /// Reads a map; `each` reads the value of the key that it is given.
    pub(super) fn map(
        &mut self,
        event: Event,
        name: &str,
        mut each: impl FnMut(&mut Self, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.pairs_of(event, name, &mut |decoder: &mut Self, key: &str, _: &Seen| each(decoder, key))
    }

    fn pairs_of(&mut self, event: Event, name: &str, each: &mut Each<'_, Self>) -> Result<(), Error> {
        if event == Event::Map { self.pairs(&mut Seen::default(), each) } else { Err(self.mismatch(event, name)) }
    }

    fn pairs(&mut self, seen: &mut Seen, each: &mut Each<'_, Self>) -> Result<(), Error> {
        self.enter()?;
        loop {
            let event = self.next()?;
            if event == Event::End {
                break;
            }
            if event == Event::Scalar(Kind::Text) && self.source.is_merge() {
                self.merge(seen, each)?;
                continue;
            }
            let key = self.key(event)?;
            self.hold()?;
            if self.source.rules() == Rules::Yaml && !seen.add(&key) {
                let line = self.source.line();
                return Err(Error::yaml(&format!("unmarshal errors:\n  line {line}: key {key:?} already set in map")));
            }
            each(self, &key, seen)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Takes the pairs of a map, or of every map in a list, for those of the map around it.
    fn merge(&mut self, seen: &mut Seen, each: &mut Each<'_, Self>) -> Result<(), Error> {
        let unfit = || Error::yaml("map merge requires map or sequence of maps as the value");
        match self.next()? {
            Event::Map => self.pairs(seen, each),
            Event::List => loop {
                match self.next()? {
                    Event::Map => self.pairs(seen, each)?,
                    Event::End => return Ok(()),
                    _ => return Err(unfit()),
                }
            },
            _ => Err(unfit()),
        }
    }

    fn key(&mut self, event: Event) -> Result<String, Error> {
        Ok(match event {
            Event::Scalar(Kind::Text) => self.source.text().to_owned(),
            Event::Scalar(Kind::Bool(Truth::True)) => "true".to_owned(),
            Event::Scalar(Kind::Bool(Truth::False)) => "false".to_owned(),
            Event::Scalar(Kind::Number) => match number::text(self.source.number()).as_str() {
                "+Inf" => ".inf".to_owned(),
                "-Inf" => "-.inf".to_owned(),
                "NaN" => ".nan".to_owned(),
                text => text.to_owned(),
            },
            Event::Scalar(Kind::Null) => return Err(Error::Yaml("unsupported map key of type: %!s(<nil>)".to_owned())),
            Event::List | Event::Map | Event::End => return Err(Error::yaml("invalid map key")),
        })
    }

    /// Passes over the next value.
    fn skip(&mut self) -> Result<(), Error> {
        let mut open = 0_usize;
        loop {
            match self.next()? {
                Event::List | Event::Map => open += 1,
                Event::End => open = open.saturating_sub(1),
                Event::Scalar(_) => {}
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    fn hold(&mut self) -> Result<(), Error> {
        self.held += 1;
        if self.held > HELD { Err(Error::TooManyValues { limit: HELD }) } else { Ok(()) }
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > self.limits.depth { Err(Error::TooDeep { limit: self.limits.depth }) } else { Ok(()) }
    }

    /// The error for a value of another type than `wanted`.
    pub(super) fn mismatch(&self, event: Event, wanted: &str) -> Error {
        let found = match event {
            Event::Scalar(Kind::Null) => "null",
            Event::Scalar(Kind::Bool(_)) => "bool",
            Event::Scalar(Kind::Number) => "number",
            Event::Scalar(Kind::Text) => "string",
            Event::List => "array",
            Event::Map | Event::End => "object",
        };
        self.complain(&format!("json: cannot unmarshal {found} into Go value of type {wanted}"))
    }

    fn complain(&self, message: &str) -> Error {
        match self.source.rules() {
            Rules::Yaml => Error::Value(format!("error unmarshaling JSON: while decoding JSON: {message}")),
            Rules::Json => Error::Value(message.to_owned()),
        }
    }
}
