//! What a reconcile produces and every consumer reads.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{lenient, time};

/// One stored file made from one revision of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct Artifact {
    /// Path of the file below the storage folder of the controller: kind, namespace, name and file name.
    #[serde(deserialize_with = "lenient::or_default")]
    pub path: String,

    /// HTTP address at which the controller serves the file.
    #[serde(deserialize_with = "lenient::or_default")]
    pub url: String,

    /// What the file was made from, traceable at its origin: a commit, a tag, a chart version.
    #[serde(deserialize_with = "lenient::or_default")]
    pub revision: String,

    /// Digest of the file, written as algorithm, colon, checksum.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(extend("pattern" = "^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$"))]
    pub digest: String,

    /// When the file was last written.
    #[serde(with = "time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_update_time: DateTime<Utc>,

    /// Size of the file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,

    /// What the origin says about the revision, for instance the annotations of an OCI manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}
