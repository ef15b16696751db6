//! Floats as Go writes them.

use serde_json::{Number, Value};

/// A float that is a whole number of 64 bits, as it is after it went through JSON: its shortest digits, filled up with zeros.
pub(super) fn whole(number: f64) -> Option<Number> {
    if number.fract() != 0.0 || number.abs() >= 1e20 {
        return None;
    }
    let digits = scientific(number);
    let digits = plain(&digits);
    digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from)).ok()
}

/// The shortest digits that give the number back, as `strconv.FormatFloat(number, 'g', -1, 64)`.
pub(super) fn general(number: f64) -> String {
    special(number).unwrap_or_else(|| layout(&scientific(number)))
}

/// The same with the digits that 32 bits need.
#[expect(clippy::cast_possible_truncation, reason = "what upstream does")]
pub(super) fn general_32(number: f64) -> String {
    let number = number as f32;
    special(f64::from(number)).unwrap_or_else(|| layout(&format!("{number:e}")))
}

/// `-1.25e-7`: the shortest digits; of two such that are equally near, the even one, as Go takes it.
fn scientific(number: f64) -> String {
    let shortest = format!("{number:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let fraction = mantissa.split('.').nth(1).map_or(0, str::len);
    let even = format!("{number:.fraction$e}");
    if even.parse() == Ok(number) { even } else { shortest }
}

/// What a field of type string takes from a bare number or boolean (of [`super::parse_exact`]): upstream turns `version: 1.10` into
/// `1.1`. None for null, lists and maps.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) if number.is_f64() => number.as_f64().map(general_32),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn special(number: f64) -> Option<String> {
    if number.is_nan() {
        Some(String::from("NaN"))
    } else if number.is_infinite() {
        Some(String::from(if number > 0.0 { "+Inf" } else { "-Inf" }))
    } else {
        None
    }
}

/// From Rust's `-1.25e-7` to Go's layout: with an exponent of at least two digits below -4 and from 6 on, else without.
fn layout(scientific: &str) -> String {
    let (mantissa, exponent) = split(scientific);
    if (-4..6).contains(&exponent) {
        return plain(scientific);
    }
    let mark = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{mark}{:02}", exponent.abs())
}

/// From `-1.25e-7` to `-0.000000125`.
fn plain(scientific: &str) -> String {
    let (mantissa, exponent) = split(scientific);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    let Ok(point) = usize::try_from(exponent + 1) else {
        return format!("{sign}0.{}{digits}", "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0)));
    };
    if point == 0 {
        format!("{sign}0.{digits}")
    } else if digits.len() <= point {
        format!("{sign}{digits}{}", "0".repeat(point - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..point], &digits[point..])
    }
}

fn split(scientific: &str) -> (&str, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (mantissa, exponent.parse().unwrap_or(0))
}
