//! Times as Kubernetes writes them: RFC 3339 in UTC, whole seconds, `Z`. For `#[serde(with = "headwater_api::time")]`.

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serializer};

/// The present, in whole seconds, so that it equals what is read back.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(0)
}

/// Writes `2024-01-31T12:00:00Z`; fractions of a second are cut off.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Reads RFC 3339. A missing or unreadable time is the Unix epoch, never an error.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    let time = text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
    Ok(time.map_or(DateTime::UNIX_EPOCH, |time| time.to_utc()))
}
