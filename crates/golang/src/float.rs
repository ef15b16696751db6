//! `strconv.FormatFloat` with the fewest digits that read back as the same number.

use std::str::FromStr;

/// Writes a number as `'g'` and `%v` do: with an exponent of at least two digits below 1e-4 and from 1e6 on, else without.
pub fn general(number: f64) -> String {
    special(number).unwrap_or_else(|| layout(&scientific(number)))
}

/// [`general`] with the fewest digits that 32 bits need.
pub fn general_32(number: f32) -> String {
    special(f64::from(number)).unwrap_or_else(|| {
        let shortest = format!("{number:e}");
        layout(&even(shortest, |fraction| format!("{number:.fraction$e}"), &number))
    })
}

/// Writes a number as `'f'` does: never with an exponent, so that `1e21` has 22 digits.
pub fn fixed(number: f64) -> String {
    special(number).unwrap_or_else(|| plain(&scientific(number)))
}

/// `-1.25e-7`: one digit before the point, an exponent without `+` and zeros.
pub(crate) fn scientific(number: f64) -> String {
    even(format!("{number:e}"), |fraction| format!("{number:.fraction$e}"), &number)
}

/// Of two shortest forms that are equally near, the even one. Rust takes the larger one.
fn even<F: FromStr + PartialEq>(shortest: String, rounded: impl Fn(usize) -> String, number: &F) -> String {
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let fraction = mantissa.split('.').nth(1).map_or(0, str::len);
    let even = rounded(fraction);
    if even.parse().is_ok_and(|read: F| read == *number) { even } else { shortest }
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

fn layout(scientific: &str) -> String {
    let (mantissa, exponent) = split(scientific);
    if (-4..6).contains(&exponent) {
        return plain(scientific);
    }
    let mark = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{mark}{:02}", exponent.abs())
}

/// From `-1.25e-7` to `-0.000000125`.
pub(crate) fn plain(scientific: &str) -> String {
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

/// The digits with their sign, and the exponent.
pub(crate) fn split(scientific: &str) -> (&str, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (mantissa, exponent.parse().unwrap_or(0))
}
