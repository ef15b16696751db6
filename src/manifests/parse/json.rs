//! JSON at the beginning of a file, as kubectl reads it before it takes a file for YAML: objects one behind the other.

use std::{collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::{Fault, line_at};

/// Whole numbers up to here are exact as floating point numbers: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value and the line where it starts, from 1.
type Placed = (u64, Value);

/// The values at the beginning of a text, if it begins with an object, and where the rest begins, which is not JSON.
///
/// # Errors
/// A [`Fault`] at a key that is there twice, and if something else than JSON follows more than one value: that can be no YAML either.
pub(super) fn leading(text: &str) -> Result<(Vec<Placed>, usize), Fault> {
    let mut found = Vec::new();
    if !text.trim_start().starts_with('{') {
        return Ok((found, 0));
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    loop {
        let before = stream.byte_offset();
        let start = before + text[before..].len() - text[before..].trim_start().len();
        let line = line_at(text.as_bytes(), start);
        match stream.next() {
            None => return Ok((found, text.len())),
            Some(Ok(mut value)) => {
                refuse_duplicates(&text[start..stream.byte_offset()], line)?;
                whole(&mut value);
                found.push((line, value));
            }
            Some(Err(_)) if found.len() > 1 => return Err(Fault { line, reason: "JSON is followed by something else".to_owned() }),
            // The end of the line belongs to what comes before it.
            Some(Err(_)) => return Ok((found, text[before..start].find('\n').map_or(start, |end| before + end + 1))),
        }
    }
}

/// Writes `1.0` as `1`, as kubectl does: a server refuses the former where it wants a whole number.
fn whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() <= EXACT);
            if let Some(number) = whole.and_then(|n| format!("{n:.0}").parse::<i64>().ok()) {
                *value = Value::Number(Number::from(number));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole),
        Value::Object(map) => map.values_mut().for_each(whole),
        _ => {}
    }
}

/// Fails if a map of this JSON, which begins in `line`, has a key twice.
fn refuse_duplicates(json: &str, line: u64) -> Result<(), Fault> {
    let mut key = None;
    let read = Distinct { key: &mut key }.deserialize(&mut serde_json::Deserializer::from_str(json));
    match (read, key) {
        (Err(error), Some(key)) => Err(Fault { line: line - 1 + error.line() as u64, reason: format!("duplicate key {key:?}") }),
        _ => Ok(()),
    }
}

/// Reads anything up to a key that is there twice, and keeps that.
struct Distinct<'k> {
    key: &'k mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Distinct<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                *self.key = Some(key);
                return Err(A::Error::custom("duplicate key"));
            }
            keys.insert(key);
            map.next_value_seed(Distinct { key: &mut *self.key })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Distinct { key: &mut *self.key })?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
