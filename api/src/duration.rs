//! Lengths of time as Go writes them: `1h30m`, `500ms`, `1.5h`.

use std::{fmt, time};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest duration there is, in nanoseconds: about 292 years.
pub const MAX_NANOS: u64 = i64::MAX as u64;

/// A length of time that keeps the text it was written as, and is read on demand: one object's unreadable text is then
/// that object's failure alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Duration(String);

impl Duration {
    /// Keeps the text as it is; nothing is checked.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the text says, as [`parse`] does. Zero is possible.
    pub fn get(&self) -> Result<time::Duration, Error> {
        parse(&self.0)
    }
}

impl From<time::Duration> for Duration {
    fn from(duration: time::Duration) -> Self {
        Self(format(duration))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a duration. Each shows the whole text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the form number, unit, number, unit…
    #[error("invalid duration {0:?}")]
    Invalid(String),
    /// A number with nothing behind it.
    #[error("missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit other than ns, us, ms, s, m, h.
    #[error("unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// More than [`MAX_NANOS`].
    #[error("duration {0:?} is too long")]
    TooLong(String),
    /// Less than zero.
    #[error("duration {0:?} is negative")]
    Negative(String),
}

/// Reads what Go's `time.ParseDuration` reads, with the same value, except that a negative duration is an error.
pub fn parse(text: &str) -> Result<time::Duration, Error> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(time::Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(Error::Invalid(text.to_owned()));
    }
    let mut nanos = 0u64;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (term, behind) = term(rest, text)?;
        nanos = nanos.checked_add(term).filter(|nanos| *nanos <= MAX_NANOS).ok_or_else(|| Error::TooLong(text.to_owned()))?;
        rest = behind;
    }
    if text.starts_with('-') && nanos > 0 {
        return Err(Error::Negative(text.to_owned()));
    }
    Ok(time::Duration::from_nanos(nanos))
}

/// Reads one number and its unit off the front: its nanoseconds, and what follows.
fn term<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), Error> {
    let (whole, behind) = digits(rest);
    let (fraction, behind) = behind.strip_prefix('.').map_or(("", behind), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(Error::Invalid(text.to_owned()));
    }
    let end = behind.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(behind.len());
    let (unit, behind) = behind.split_at(end);
    let scale = match unit {
        "" => return Err(Error::MissingUnit(text.to_owned())),
        "ns" => 1,
        // The micro sign and the Greek letter are both in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => {
            return Err(Error::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
        }
    };
    let whole: u64 = if whole.is_empty() { Ok(0) } else { whole.parse() }.map_err(|_| Error::TooLong(text.to_owned()))?;
    let nanos = whole.checked_mul(scale).and_then(|nanos| nanos.checked_add(part(fraction, scale)));
    Ok((nanos.ok_or_else(|| Error::TooLong(text.to_owned()))?, behind))
}

/// Splits the decimal digits off the front.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `0.<fraction>` of `scale`, in the floating point that Go uses: `0.3333333333333333333h` is 20 minutes. Digits beyond
/// what 63 bits hold are not looked at.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the same rounding as Go's; the result is at most `scale`"
)]
fn part(fraction: &str, scale: u64) -> u64 {
    let (mut value, mut unit) = (0u64, 1f64);
    for digit in fraction.bytes() {
        let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')));
        let Some(next) = next.filter(|next| *next <= 1 << 63) else {
            break;
        };
        value = next;
        unit *= 10.0;
    }
    (value as f64 * (scale as f64 / unit)) as u64
}

/// Writes what Go's `Duration.String` writes: `1h0m0s`, `1m0s`, `750ms`, `1.5s`, `0s`.
pub fn format(duration: time::Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}\u{b5}s", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `nanos / unit` with as many decimals as it needs; `unit` is a power of ten.
fn decimal(nanos: u128, unit: u128) -> String {
    let (whole, rest) = (nanos / unit, nanos % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, nanos: u64) {
        assert_eq!(parse(text), Ok(time::Duration::from_nanos(nanos)), "{text}");
    }

    #[test]
    fn reads_what_go_reads() {
        const MINUTE: u64 = 60_000_000_000;
        reads("0", 0);
        reads("-0", 0);
        reads("-0s", 0);
        reads("+5s", 5_000_000_000);
        reads("1h30m", 90 * MINUTE);
        reads("500ms", 500_000_000);
        reads("1.5h", 90 * MINUTE);
        reads(".5s", 500_000_000);
        reads("5.s", 5_000_000_000);
        reads("12\u{b5}s", 12_000);
        reads("12\u{3bc}s7us3ns", 19_003);
        reads("1m1h", 61 * MINUTE);
        reads("0.3333333333333333333h", 20 * MINUTE);
        reads("0.100000000000000000000h", 6 * MINUTE);
        reads("9007199254.740993ms", 9_007_199_254_740_993);
        reads("9223372036854775807ns", MAX_NANOS);
        reads("2562047h47m16.854775807s", MAX_NANOS);
    }

    #[test]
    fn refuses_what_go_refuses() {
        for bad in ["", "-", "+", ".", "s", "-.s", ".s", "+.s", "1h ", "soon", "1 h"] {
            let error = parse(bad).expect_err(bad);
            assert!(matches!(error, Error::Invalid(_) | Error::UnknownUnit { .. }), "{bad}: {error}");
        }
        assert_eq!(parse("3"), Err(Error::MissingUnit("3".into())));
        assert_eq!(parse("1h3"), Err(Error::MissingUnit("1h3".into())));
        assert_eq!(parse("1d"), Err(Error::UnknownUnit { unit: "d".into(), text: "1d".into() }));
        assert_eq!(parse("-1s"), Err(Error::Negative("-1s".into())));
    }

    #[test]
    fn refuses_more_than_63_bits_of_nanoseconds() {
        for long in [
            "9223372036854775808ns",
            "9223372036854775.808us",
            "2562047h47m16.854775808s",
            "99999999999999h",
            "9223372036s9223372036s",
            "999999999999999999999999999999s",
        ] {
            assert_eq!(parse(long), Err(Error::TooLong(long.into())));
        }
    }

    #[test]
    fn writes_as_go_writes() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (750_000_000, "750ms"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (MAX_NANOS, "2562047h47m16.854775807s"),
        ] {
            assert_eq!(format(time::Duration::from_nanos(nanos)), text);
            reads(text, nanos);
        }
    }

    #[test]
    fn keeps_its_text() {
        let duration: Duration = serde_json::from_str(r#""1h60m""#).expect("a string");
        assert_eq!(duration.to_string(), "1h60m");
        assert_eq!(duration.get().map(format), Ok("2h0m0s".to_owned()));
        assert_eq!(Duration::from(time::Duration::from_secs(90)).as_str(), "1m30s");
    }
}
