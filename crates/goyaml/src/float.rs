//! Floats as Go writes them.

use headwater_golang::float::{fixed, general_32};
use serde_json::Number;

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
