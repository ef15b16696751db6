//! The formats of texts that an API server checks. Others are taken as they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use regex::Regex;

/// The format to check, if the server knows it for the type.
pub(super) fn of(props: &JSONSchemaProps) -> Option<&str> {
    let format = props.format.as_deref()?;
    let known = match props.type_.as_deref().filter(|_| props.x_kubernetes_int_or_string != Some(true)).unwrap_or_default() {
        "" | "string" => FORMATS.iter().any(|known| known.0 == format.replace('-', "")),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    };
    known.then_some(format)
}

/// Whether a text is of a known format.
pub(super) fn matches(format: &str, text: &str) -> bool {
    let format = format.replace('-', "");
    FORMATS.iter().find(|known| known.0 == format).is_none_or(|(_, matches)| matches(text))
}

type Format = (&'static str, fn(&str) -> bool);

const FORMATS: &[Format] = &[
    ("bsonobjectid", |text| text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())),
    ("byte", |text| BASE64.is_match(text)),
    ("cidr", is_cidr),
    ("creditcard", is_credit_card),
    ("date", |text| date(text).is_some()),
    ("datetime", is_date_time),
    ("duration", |text| duration(text).is_some()),
    ("email", |text| EMAIL.is_match(text)),
    ("hexcolor", |text| HEX_COLOR.is_match(text)),
    ("hostname", |text| HOSTNAME.is_match(text) && text.len() <= 255 && text.split('.').all(|label| label.len() <= 63)),
    ("ipv4", |text| ip(text).is_some() && text.contains('.')),
    ("ipv6", |text| text.parse::<Ipv6Addr>().is_ok()),
    ("isbn", |text| is_isbn(text, 10) || is_isbn(text, 13)),
    ("isbn10", |text| is_isbn(text, 10)),
    ("isbn13", |text| is_isbn(text, 13)),
    ("k8slongname", |text| text.len() <= 253 && LONG_NAME.is_match(text)),
    ("k8sshortname", |text| text.len() <= 63 && SHORT_NAME.is_match(text)),
    ("mac", |text| MAC.is_match(text)),
    ("password", |_| true),
    ("rgbcolor", |text| RGB_COLOR.is_match(text)),
    ("ssn", |text| text.len() == 11 && SSN.is_match(text)),
    ("uri", is_uri),
    ("uuid", |text| UUID.is_match(text)),
    ("uuid3", |text| UUID.is_match(text) && digits(text).nth(12) == Some('3')),
    ("uuid4", |text| UUID.is_match(text) && digits(text).nth(12) == Some('4') && has_variant(text)),
    ("uuid5", |text| UUID.is_match(text) && digits(text).nth(12) == Some('5') && has_variant(text)),
];

macro_rules! patterns {
    ($($name:ident = $pattern:expr;)*) => {
        $(static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).unwrap());)*
    };
}

patterns! {
    BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$";
    EMAIL = r#"^(?:[^<>]*<)?(?:"[^"]*"|[^\s@<>(),:;\[\]"]+)@(?:\[[^\]]+\]|[^\s@<>(),:;\[\]"]+)>?$"#;
    HEX_COLOR = "^#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$";
    HOSTNAME = r"^(?:[a-zA-Z0-9\p{S}\p{L}](?:-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?|(?:[a-zA-Z0-9\p{S}\p{L}](?:[-a-zA-Z0-9\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?\.)+[a-zA-Z\p{L}]{2,63})$";
    LONG_NAME = r"^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$";
    SHORT_NAME = "^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$";
    MAC = r"^[0-9a-fA-F]{2}(?:(?::[0-9a-fA-F]{2}){5}|(?:-[0-9a-fA-F]{2}){5}|(?::[0-9a-fA-F]{2}){7}|(?:-[0-9a-fA-F]{2}){7}|(?::[0-9a-fA-F]{2}){19}|(?:-[0-9a-fA-F]{2}){19})$|^[0-9a-fA-F]{4}(?:(?:\.[0-9a-fA-F]{4}){2}|(?:\.[0-9a-fA-F]{4}){3}|(?:\.[0-9a-fA-F]{4}){9})$";
    RGB_COLOR = r"^rgb\((?:\s*(?:0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*(?:,|(?:\)$))){3}";
    SSN = r"^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$";
    UUID = "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    TIME = r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(?:.[0-9]+)?(?:z|[+-][0-9]{2}:[0-9]{2})$";
    GO_DURATION = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)";
    WORDY_DURATION = r"([0-9]+)\s*([A-Za-zµ]+)";
}

/// The address that a text is. Leading zeros are allowed, as for the server.
fn ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let mut parts = text.split('.').map(|part| part.parse::<u8>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit())));
    let bytes = [parts.next()??, parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(bytes)))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match ip(address) {
        Some(IpAddr::V4(_)) => 32,
        Some(IpAddr::V6(_)) => 128,
        None => return false,
    };
    bits.bytes().all(|byte| byte.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// A URL with a scheme, or an absolute path.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| !scheme.contains('/')) else {
        return text.starts_with('/') && !text.contains(|char: char| char.is_ascii_control());
    };
    let good_scheme = scheme.starts_with(|char: char| char.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let host = rest.strip_prefix("//").map_or("", |rest| rest.split(['/', '?']).next().unwrap_or_default());
    good_scheme && !rest.is_empty() && !host.contains(|char: char| char == ' ' || char.is_ascii_control())
}

fn digits(uuid: &str) -> impl Iterator<Item = char> {
    uuid.chars().filter(|char| *char != '-')
}

fn has_variant(uuid: &str) -> bool {
    digits(uuid).nth(16).is_some_and(|char| "89abAB".contains(char))
}

fn is_isbn(text: &str, length: usize) -> bool {
    let text: String = text.chars().filter(|char| *char != '-' && !char.is_whitespace()).collect();
    let digit = |(index, char): (usize, char)| char.to_digit(10).or((char == 'X' && length == 10 && index == 9).then_some(10));
    let Some(digits) = text.chars().enumerate().map(digit).collect::<Option<Vec<u32>>>() else { return false };
    let weighted = |weight: fn(u32) -> u32| -> u32 { (0..).zip(&digits).map(|(index, digit)| weight(index) * digit).sum() };
    digits.len() == length
        && if length == 10 { weighted(|index| index + 1) % 11 == 0 } else { weighted(|index| 1 + 2 * (index % 2)) % 10 == 0 }
}

fn is_credit_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|char| char.to_digit(10)).collect();
    let double = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 = digits.iter().rev().enumerate().map(|(index, digit)| if index % 2 == 1 { double(*digit) } else { *digit }).sum();
    (13..=16).contains(&digits.len()) && sum.is_multiple_of(10)
}

pub(super) fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)
}

fn is_date_time(text: &str) -> bool {
    let text = text.to_lowercase();
    let Some((day, time)) = text.split_once('t') else { return false };
    date(day).is_some() && TIME.captures(time).is_some_and(|part| &part[1] <= "23" && &part[2] <= "59" && &part[3] <= "59")
}

pub(super) fn date_time(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text).ok()
}

/// A duration as Go writes it (`1h30m`), or in words (`5 min`).
pub(super) fn duration(text: &str) -> Option<TimeDelta> {
    go_duration(text).or_else(|| wordy_duration(text))
}

fn go_duration(text: &str) -> Option<TimeDelta> {
    let (negative, plain) = text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest));
    let mut nanos = 0.0;
    let mut end = 0;
    if plain == "0" {
        return Some(TimeDelta::zero());
    }
    for part in GO_DURATION.captures_iter(plain) {
        let (whole, number) = (part.get(0)?, part[1].parse::<f64>().ok()?);
        if whole.start() != end {
            return None;
        }
        end = whole.end();
        let unit = match &part[2] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            _ => 3600e9,
        };
        nanos += number * unit;
    }
    if end == 0 || end != plain.len() || nanos > 9.2e18 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let nanos = nanos as i64;
    Some(TimeDelta::nanoseconds(if negative { -nanos } else { nanos }))
}

fn wordy_duration(text: &str) -> Option<TimeDelta> {
    const UNITS: &[(&[&str], &str, i64)] = &[
        (&["ns"], "nano", 1),
        (&["us", "µs"], "micro", 1_000),
        (&["ms"], "milli", 1_000_000),
        (&["s"], "sec", 1_000_000_000),
        (&["m"], "min", 60_000_000_000),
        (&["h", "hr"], "hour", 3_600_000_000_000),
        (&["d"], "day", 86_400_000_000_000),
        (&["w", "wk"], "week", 604_800_000_000_000),
    ];
    let mut nanos = None;
    for part in WORDY_DURATION.captures_iter(text) {
        let number: i64 = part[1].parse().ok()?;
        let unit = part[2].to_lowercase();
        let known = UNITS.iter().find(|(names, start, _)| names.contains(&unit.as_str()) || unit.starts_with(start));
        if let Some((_, _, size)) = known {
            nanos = Some(nanos.unwrap_or(0_i64).saturating_add(number.saturating_mul(*size)));
        }
    }
    nanos.map(TimeDelta::nanoseconds)
}
