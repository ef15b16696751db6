//! Numbers of an index as texts.

use headwater_golang::float::general_32;

use super::source::Number;

/// A number where YAML has one and a string or a key is wanted: whole ones in full, others with the digits that 32 bits need.
pub(super) fn text(number: Number) -> String {
    match number {
        Number::Int(n) => n.to_string(),
        Number::Uint(n) => n.to_string(),
        #[expect(clippy::cast_possible_truncation, reason = "upstream formats them as such")]
        Number::Float(n) => general_32(n as f32),
    }
}
