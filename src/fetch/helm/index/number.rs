//! Numbers as Go writes them.

use super::source::Number;

/// A number in JSON: shortest digits, an exponent below 1e-6 and from 1e21 on. `None` for what JSON cannot say.
pub(super) fn json(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e')?;
        return Some(if exponent.starts_with('-') { format!("{digits}e{exponent}") } else { format!("{digits}e+{exponent}") });
    }
    Some(number.to_string())
}

/// A number where YAML has one and a string or a key is wanted: whole ones in full, others with the digits that 32 bits need.
pub(super) fn text(number: Number) -> String {
    let float = match number {
        Number::Int(n) => return n.to_string(),
        Number::Uint(n) => return n.to_string(),
        #[expect(clippy::cast_possible_truncation, reason = "upstream formats them as such")]
        Number::Float(n) => n as f32,
    };
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    float.to_string()
}
