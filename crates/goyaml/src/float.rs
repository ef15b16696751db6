//! Floats as Go writes them.

use headwater_golang::float::{fixed, general_32};
use serde_json::{Number, Value};

/// A float that is a whole number of 64 bits, as it is after it went through JSON: its shortest digits, filled up with zeros.
pub(super) fn whole(number: f64) -> Option<Number> {
    if number.fract() != 0.0 || number.abs() >= 1e20 {
        return None;
    }
    let digits = fixed(number);
    digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from)).ok()
}

/// A float with the digits that 32 bits need.
#[expect(clippy::cast_possible_truncation, reason = "what upstream does")]
pub(super) fn narrow(number: f64) -> String {
    general_32(number as f32)
}

/// What a field of type string takes from a bare number or boolean (of [`super::parse_exact`]): upstream turns `version: 1.10` into
/// `1.1`. None for null, lists and maps.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) if number.is_f64() => number.as_f64().map(narrow),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
