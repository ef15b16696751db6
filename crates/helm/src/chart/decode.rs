//! YAML values into typed fields by the rules of Go's `encoding/json` and `sigs.k8s.io/yaml`.
//!
//! A field that is there is decoded *over* what the target holds: null leaves scalars as they are, lists are filled in place, maps are
//! added to. Numbers and booleans become text where text is wanted. Keys match whatever their case, exact ones last.

use std::collections::BTreeMap;

use headwater_golang::float::fixed;
use serde_json::{Map, Number, Value};

use super::Problem;
use headwater_goyaml as yaml;

/// Where a value goes: the Go type that holds the field, and the names of the fields on the way to it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    holder: &'static str,
    fields: Vec<&'static str>,
}

impl Place {
    /// The top of a document.
    pub(super) fn top() -> Self {
        Self { holder: "", fields: Vec::new() }
    }

    /// The field `name` of the Go type `holder`, which is at this place.
    pub(super) fn field(&self, holder: &'static str, name: &'static str) -> Self {
        let mut fields = self.fields.clone();
        fields.push(name);
        Self { holder, fields }
    }

    /// The error for `value`, which is not of the Go type `wanted`.
    pub(super) fn mismatch(&self, value: &Value, wanted: &str) -> Problem {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let place = if self.fields.is_empty() {
            "Go value".to_owned()
        } else {
            format!("Go struct field {}.{}", self.holder, self.fields.join("."))
        };
        Problem::new(format!("json: cannot unmarshal {found} into {place} of type {wanted}"))
    }
}

/// The context that every decoding error carries.
pub(super) fn decoding(problem: &Problem) -> Problem {
    problem.within("error unmarshaling JSON: while decoding JSON")
}

/// Calls `decode` for each of `fields` that `map` has, with the name as `fields` spells it; other keys are passed over.
pub(super) fn each_field(
    map: &Map<String, Value>,
    fields: &[&'static str],
    mut decode: impl FnMut(&'static str, &Value) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut keys: Vec<(&String, &Value)> = map.iter().collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in keys {
        if let Some(name) = fields.iter().find(|name| name.eq_ignore_ascii_case(key)) {
            decode(name, value)?;
        }
    }
    Ok(())
}

/// A text; numbers and booleans are written out, null changes nothing.
pub(super) fn text(into: &mut String, value: &Value, place: &Place) -> Result<(), Problem> {
    match value {
        Value::Null => {}
        value => *into = yaml::text_of(value).ok_or_else(|| place.mismatch(value, "string"))?,
    }
    Ok(())
}

/// A flag; nothing but a boolean will do, null changes nothing.
pub(super) fn flag(into: &mut bool, value: &Value, place: &Place) -> Result<(), Problem> {
    match value {
        Value::Null => {}
        Value::Bool(flag) => *into = *flag,
        _ => return Err(place.mismatch(value, "bool")),
    }
    Ok(())
}

/// A list of `wanted`: elements that are there already are decoded over, null empties the list.
pub(super) fn list<T: Default>(
    into: &mut Vec<T>,
    value: &Value,
    place: &Place,
    wanted: &str,
    element: impl Fn(&mut T, &Value, &Place) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match value {
        Value::Null => into.clear(),
        Value::Array(values) => {
            into.resize_with(values.len(), T::default);
            for (slot, value) in into.iter_mut().zip(values) {
                element(slot, value, place)?;
            }
        }
        _ => return Err(place.mismatch(value, wanted)),
    }
    Ok(())
}

/// A map of texts: keys are added to those that are there, null empties the map.
pub(super) fn texts(into: &mut BTreeMap<String, String>, value: &Value, place: &Place) -> Result<(), Problem> {
    match value {
        Value::Null => into.clear(),
        Value::Object(map) => {
            for (key, value) in map {
                let mut decoded = String::new();
                text(&mut decoded, value, place)?;
                into.insert(key.clone(), decoded);
            }
        }
        _ => return Err(place.mismatch(value, "map[string]string")),
    }
    Ok(())
}

/// `value` as an untyped Go value holds it: every number is of double precision.
pub(super) fn loose(value: &Value) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.iter().map(loose).collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), loose(value))).collect()),
        Value::Number(number) => Value::Number(double(number)),
        value => value.clone(),
    }
}

/// `number` in double precision, as a whole number where it is one that is written without an exponent.
fn double(number: &Number) -> Number {
    /// From here on Go writes whole numbers with an exponent.
    const EXPONENT_FROM: f64 = 1e21;
    let Some(float) = number.as_f64() else { return number.clone() };
    if float.fract() == 0.0 && float.abs() < EXPONENT_FROM {
        let digits = fixed(float);
        if let Ok(whole) = digits.parse::<i64>() {
            return Number::from(whole);
        }
        if let Ok(whole) = digits.parse::<u64>() {
            return Number::from(whole);
        }
    }
    Number::from_f64(float).unwrap_or_else(|| number.clone())
}
