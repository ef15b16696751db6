//! How long ago something was, in few digits.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// How long ago a time in RFC 3339 was: `<unknown>` without one, `<invalid>` if it is none or well ahead.
pub fn of(time: &Value, now: DateTime<Utc>) -> Value {
    let Some(text) = time.as_str().filter(|text| !text.is_empty() && !text.starts_with("0001-01-01T00:00:00")) else {
        return "<unknown>".into();
    };
    let Ok(then) = DateTime::parse_from_rfc3339(text) else { return "<invalid>".into() };
    let elapsed = now.signed_duration_since(then);
    // Clocks may differ by a little.
    if elapsed.num_seconds() < -1 {
        return "<invalid>".into();
    }
    human(elapsed.num_seconds().max(0)).into()
}

/// A number of seconds, none of them negative, with its two largest units at most.
pub fn human(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: char, small: i64, part: char| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{part}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}
