//! What a scalar of YAML means: the rules of YAML 1.1 as Go's yaml/v2 reads them, with its departures (no numbers to the base 60,
//! `0b` and `0o`, `y` and `n` are booleans, timestamps stay text).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::GeneralPurposeConfig;

use super::timestamp;

/// Go's `base64.StdEncoding`: padding is needed, stray bits at the end are let through.
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The prefix that `!!` stands for.
const CORE: &str = "tag:yaml.org,2002:";

/// A scalar's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Nothing, `~`, `null`.
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// Any other number; infinities and not-a-number too.
    Float(f64),
    /// Everything else; timestamps, and `<<` where it is no key.
    Text(String),
}

/// What a plain scalar without a tag means.
pub fn resolve(text: &str) -> Scalar {
    typed(text).unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

/// What a scalar means that carries `tag` (in its long form, `tag:yaml.org,2002:int`), quoted or not.
///
/// Unknown tags make text.
///
/// # Errors
/// The text is not of the tag's type; the message is upstream's.
pub fn resolve_tagged(tag: &str, text: &str) -> Result<Scalar, String> {
    let Some(short) = tag.strip_prefix(CORE) else { return Ok(Scalar::Text(text.to_owned())) };
    let found = match short {
        "null" | "bool" | "int" | "float" | "timestamp" => typed(text),
        "binary" => return binary(text),
        _ => return Ok(Scalar::Text(text.to_owned())),
    };
    match (short, &found) {
        ("null", Some(Scalar::Null))
        | ("bool", Some(Scalar::Bool(_)))
        | ("int", Some(Scalar::Int(_) | Scalar::Uint(_)))
        | ("float", Some(Scalar::Float(_))) => Ok(found.unwrap_or(Scalar::Null)),
        #[expect(clippy::cast_precision_loss, reason = "what upstream does")]
        ("float", Some(Scalar::Int(number))) => Ok(Scalar::Float(*number as f64)),
        ("timestamp", None) if timestamp::is_timestamp(text) => Ok(Scalar::Text(text.to_owned())),
        _ => Err(format!("cannot decode !!{} `{text}` as a !!{short}", name(found.as_ref()))),
    }
}

/// Says if a scalar that is a key merges the map behind it.
pub(super) fn is_merge(text: &str, tag: Option<&str>, plain: bool) -> bool {
    text == "<<" && (plain || tag == Some("tag:yaml.org,2002:merge"))
}

/// Whether a text, written without quotes, would be read as that text, and as a string by every reader.
pub fn reads_as_text(text: &str) -> bool {
    typed(text).is_none() && !timestamp::is_timestamp(text) && !is_base_60(text)
}

/// The short tag of what was found.
fn name(found: Option<&Scalar>) -> &'static str {
    match found {
        Some(Scalar::Null) => "null",
        Some(Scalar::Bool(_)) => "bool",
        Some(Scalar::Int(_) | Scalar::Uint(_)) => "int",
        Some(Scalar::Float(_)) => "float",
        Some(Scalar::Text(_)) | None => "str",
    }
}

/// A plain scalar that is more than text; none is text.
pub(super) fn typed(text: &str) -> Option<Scalar> {
    let first = text.bytes().next();
    match first {
        None => return Some(Scalar::Null),
        Some(b'+' | b'-' | b'0'..=b'9' | b'.' | b'~') => {}
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O') => return word(text),
        Some(_) => return None,
    }
    match text {
        "~" => return Some(Scalar::Null),
        ".nan" | ".NaN" | ".NAN" => return Some(Scalar::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(Scalar::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Scalar::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    match first {
        Some(b'.') => point_number(text),
        Some(b'~') => None,
        _ if text.contains('_') => number(&text.replace('_', "")),
        _ => number(text),
    }
}

/// The words with a meaning.
fn word(text: &str) -> Option<Scalar> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(Scalar::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(Scalar::Bool(false)),
        "null" | "Null" | "NULL" => Some(Scalar::Null),
        _ => None,
    }
}

/// A number that begins with a digit or a sign, underscores taken out.
fn number(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(size) = whole(digits) {
        if negative {
            if let Some(number) = 0i64.checked_sub_unsigned(size) {
                return Some(Scalar::Int(number));
            }
        } else if let Ok(number) = i64::try_from(size) {
            return Some(Scalar::Int(number));
        } else if !text.starts_with('+') {
            return Some(Scalar::Uint(size));
        }
    }
    if is_decimal(digits) {
        return finite(text);
    }
    // A sign is allowed behind this prefix.
    let rest = text.strip_prefix("0b").filter(|rest| rest.starts_with(['+', '-']))?;
    i64::from_str_radix(rest, 2).ok().map(Scalar::Int)
}

/// A whole number with one of Go's prefixes for its base.
fn whole(digits: &str) -> Option<u64> {
    let bytes = digits.as_bytes();
    let (base, digits) = match bytes {
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0'] => return Some(0),
        [b'0', ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // The standard library would take a sign here.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// `12`, `1.`, `.5`, `1.5e-3`; no sign before it.
fn is_decimal(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !before.is_empty() || !after.is_empty();
    let exponent_fits = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && all_digits(text)
    });
    has_digits && all_digits(before) && all_digits(after) && exponent_fits
}

/// A number that begins with its point; here an underscore is allowed between two digits only.
fn point_number(text: &str) -> Option<Scalar> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let misplaced = |(at, byte): (usize, &u8)| *byte == b'_' && !(digit(at.checked_sub(1)) && digit(at.checked_add(1)));
    if bytes.iter().enumerate().any(misplaced) {
        return None;
    }
    let plain = text.replace('_', "");
    if is_decimal(&plain) { finite(&plain) } else { None }
}

/// The number, if it is not too large.
fn finite(text: &str) -> Option<Scalar> {
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Scalar::Float)
}

/// `1:30`, a number to the base 60 for other readers of YAML 1.1.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let Some(first) = parts.next() else { return false };
    let rest: Vec<&str> = parts.collect();
    let Some((last, middle)) = rest.split_last() else { return false };
    let minutes = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    let (whole, fraction) = last.split_once('.').unwrap_or((last, ""));
    first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
        && middle.iter().all(|part| minutes(part))
        && minutes(whole)
        && fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// The text behind `!!binary`; each byte that is not UTF-8 is replaced, as Go's JSON does.
fn binary(text: &str) -> Result<Scalar, String> {
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = BASE64.decode(packed).map_err(|_| String::from("!!binary value contains invalid base64 data"))?;
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(Scalar::Text(text))
}
