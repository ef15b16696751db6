//! Conditions, and the types of them that sources use.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{lenient, time};

/// The object is reconciled: its artifact is what its spec asks for.
pub const READY: &str = "Ready";
/// Work on the object is under way, or will be tried again. Only ever present as `True`.
pub const RECONCILING: &str = "Reconciling";
/// Trying again without a change is pointless. Only ever present as `True`.
pub const STALLED: &str = "Stalled";
/// The artifact is in storage.
pub const ARTIFACT_IN_STORAGE: &str = "ArtifactInStorage";
/// The source has moved on from what the artifact holds. Only ever present as `True`.
pub const ARTIFACT_OUTDATED: &str = "ArtifactOutdated";
/// The source's signature was checked: `True` when good, `False` when not. Absent when none is asked for.
pub const SOURCE_VERIFIED: &str = "SourceVerified";
/// The source could not be fetched. Only ever present as `True`.
pub const FETCH_FAILED: &str = "FetchFailed";
/// The artifact could not be built from what was fetched. Only ever present as `True`.
pub const BUILD_FAILED: &str = "BuildFailed";
/// Storage could not be read or written. Only ever present as `True`.
pub const STORAGE_OPERATION_FAILED: &str = "StorageOperationFailed";
/// An included source is missing or has no artifact. Only ever present as `True`.
pub const INCLUDE_UNAVAILABLE: &str = "IncludeUnavailable";

/// Longest message that the schema accepts, in characters.
pub const MESSAGE_MAX: usize = 32_768;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(!from)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known; so is read whatever is neither of the others.
    #[default]
    Unknown,
}

impl From<String> for Status {
    fn from(text: String) -> Self {
        match text.as_str() {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        })
    }
}

/// One aspect of an object's present state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct Condition {
    /// Which aspect: a CamelCase name, perhaps with a domain in front.
    #[serde(rename = "type", deserialize_with = "lenient::or_default")]
    #[schemars(extend(
        "maxLength" = 316,
        "pattern" = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
    ))]
    pub type_: String,

    /// Whether it holds: True, False or Unknown.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(with = "String", extend("enum" = ["True", "False", "Unknown"]))]
    pub status: Status,

    /// The object's generation that this was observed on; older than the object's own, it is out of date.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0))]
    pub observed_generation: Option<i64>,

    /// When the status last changed from one value to another.
    #[serde(with = "time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: DateTime<Utc>,

    /// Why, for programs: a CamelCase word, never empty.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(extend(
        "minLength" = 1,
        "maxLength" = 1024,
        "pattern" = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
    ))]
    pub reason: String,

    /// Why, for people. May be empty.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(extend("maxLength" = 32768))]
    pub message: String,
}

impl Condition {
    /// Whether its status is `True`.
    pub fn is_true(&self) -> bool {
        self.status == Status::True
    }
}

/// The condition of that type, if there is one.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}
