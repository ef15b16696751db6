//! The formats of texts that are checked. Others are taken as they are.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use regex::Regex;

const OF_TEXTS: &[&str] = &["byte", "date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"];

#[expect(clippy::unwrap_used, reason = "the patterns are constant and tested")]
static SHAPES: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    let email = r#"^(?:[^<>]*<)?(?:"[^"]*"|[^\s@<>(),:;\[\]"]+)@(?:\[[^\]]+\]|[^\s@<>(),:;\[\]"]+)>?$"#;
    let hostname = r"^(?:[a-zA-Z0-9](?:-?[a-zA-Z0-9]{0,62})?|(?:[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]{2,63})$";
    let part_of_duration = r"^(\d+\.?\d*|\.\d+)\s*([a-zµμ]+)\s*";
    [email, hostname, part_of_duration].map(|pattern| Regex::new(pattern).unwrap())
});

/// The format to check, if it is known for the type.
pub(super) fn of(props: &JSONSchemaProps) -> Option<&str> {
    let known: &[&str] = match props.type_.as_deref().filter(|_| props.x_kubernetes_int_or_string != Some(true)).unwrap_or_default() {
        "" | "string" => OF_TEXTS,
        "integer" => &["int32", "int64"],
        "number" => &["float", "double"],
        _ => &[],
    };
    props.format.as_deref().filter(|format| known.contains(format))
}

/// Whether a text is of a known format.
pub(super) fn matches(format: &str, text: &str) -> bool {
    match format {
        "byte" => !text.is_empty() && STANDARD.decode(text).is_ok(),
        "date" => date(text).is_some(),
        "date-time" => date_time(text).is_some(),
        "duration" => duration(text).is_some(),
        "email" => SHAPES[0].is_match(text),
        "hostname" => text.len() <= 255 && SHAPES[1].is_match(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "uri" => text.starts_with('/') || url::Url::parse(text).is_ok(),
        "uuid" => uuid::Uuid::try_parse(text).is_ok(),
        _ => true,
    }
}

pub(super) fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)
}

pub(super) fn date_time(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text).ok()
}

/// A duration such as `1h30m` or `5 min`.
pub(super) fn duration(text: &str) -> Option<TimeDelta> {
    let (negative, mut rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() && rest != "0" {
        let part = SHAPES[2].captures(rest)?;
        let unit = match &part[2] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86400.0,
            "w" | "wk" | "week" | "weeks" => 604_800.0,
            _ => return None,
        };
        seconds += part[1].parse::<f64>().ok()? * unit;
        rest = &rest[part[0].len()..];
    }
    let size = TimeDelta::from_std(std::time::Duration::try_from_secs_f64(seconds).ok()?).ok()?;
    Some(if negative { -size } else { size })
}
