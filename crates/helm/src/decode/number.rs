//! Numbers as Go has them: as texts, and without a type.

use headwater_golang::float::{fixed, general_32};
use serde_json::Number as Untyped;

use super::source::Number;

/// A float as a number without a type: whole where it is whole and fits. `None` for what JSON cannot say.
pub(super) fn of(number: f64) -> Option<Untyped> {
    /// From here on Go writes whole numbers with an exponent.
    const EXPONENT_FROM: f64 = 1e21;
    if number.fract() != 0.0 || number.abs() >= EXPONENT_FROM {
        return Untyped::from_f64(number);
    }
    let digits = fixed(number);
    let whole = digits.parse::<i64>().map(Untyped::from).or_else(|_| digits.parse::<u64>().map(Untyped::from));
    whole.ok().or_else(|| Untyped::from_f64(number))
}

/// A number where YAML has one and a string or a key is wanted: whole ones in full, others with the digits that 32 bits need.
pub(super) fn text(number: Number) -> String {
    match number {
        Number::Int(n) => n.to_string(),
        Number::Uint(n) => n.to_string(),
        #[expect(clippy::cast_possible_truncation, reason = "upstream formats them as such")]
        Number::Float(n) => general_32(n as f32),
    }
}
