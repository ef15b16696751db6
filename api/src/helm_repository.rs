//! `HelmRepository`: an artifact from the index of a Helm repository, or the address of charts in an OCI registry.
#![expect(clippy::duplicated_attributes, reason = "print columns of the same type are no duplicates")]

use std::time;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::AccessFrom;
use crate::{Artifact, Condition, Duration, LocalObjectReference, duration, lenient};

pub use crate::git_repository::{PROVIDER_AWS, PROVIDER_AZURE, PROVIDER_GENERIC};

/// The kind's name.
pub const KIND: &str = "HelmRepository";
/// The type of a repository with an index, served over HTTP; so is read an object that names no type.
pub const TYPE_DEFAULT: &str = "default";
/// The type of a repository in an OCI registry. It has no index and no artifact.
pub const TYPE_OCI: &str = "oci";
/// Credentials come from a GCP identity.
pub const PROVIDER_GCP: &str = "gcp";
/// Time between two looks at a repository that sets none.
pub const DEFAULT_INTERVAL: time::Duration = time::Duration::from_mins(1);
/// Time for fetching the index, or a chart, of a repository that sets none.
pub const DEFAULT_TIMEOUT: time::Duration = time::Duration::from_mins(1);

/// Where a repository of charts is, and how it is accessed.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "source.toolkit.fluxcd.io",
    version = "v1",
    kind = "HelmRepository",
    plural = "helmrepositories",
    namespaced,
    status = "HelmRepositoryStatus",
    shortname = "helmrepo",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-sources",
    printcolumn(json_path = ".spec.url", name = "URL", type_ = "string"),
    printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date"),
    printcolumn(json_path = r#".status.conditions[?(@.type=="Ready")].status"#, name = "Ready", type_ = "string"),
    printcolumn(json_path = r#".status.conditions[?(@.type=="Ready")].message"#, name = "Status", type_ = "string"),
    doc = "A repository of Helm charts, whose index is kept as an artifact.",
    derive = "Default",
    derive = "PartialEq",
    // The schema lets an object without a spec pass, so it must decode. kube takes no serde attribute here by itself.
    attr = "cfg_attr(all(), serde(default))"
)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct HelmRepositorySpec {
    /// Address of the repository: http or https, or oci with the type oci.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(extend("pattern" = "^(http|https|oci)://.*$"))]
    pub url: String,

    /// Secret with the credentials: username and password, or, for an OCI registry, a Docker configuration. Certificates in
    /// it (certFile, keyFile, caFile) are deprecated; they belong into certSecretRef.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,

    /// Secret with certificates: tls.crt and tls.key to present, ca.crt to trust; either or both. Of the type Opaque or
    /// kubernetes.io/tls. Counts before certificates in secretRef.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,

    /// Sends the credentials also to hosts other than the URL's, when the index says that charts are there. Whoever can
    /// change the index on its way can then have them.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_false")]
    pub pass_credentials: bool,

    /// How often the repository is asked for changes, roughly: jitter may be added. Without it, every minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub interval: Option<Duration>,

    /// Allows plain HTTP to an OCI registry. Only for the type oci.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_false")]
    pub insecure: bool,

    /// Time that fetching the index, or a chart, may take. Without it, 60 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$"))]
    pub timeout: Option<Duration>,

    /// Switches reconciling off while it is true.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_false")]
    pub suspend: bool,

    /// Which other namespaces may refer to this object. Without effect so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,

    /// What kind of repository it is: default, which has an index, or oci, whose URL starts with oci://. Without it, default.
    #[serde(rename = "type", deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["default", "oci"]))]
    pub type_: Option<String>,

    /// Where credentials come from: generic (the Secret alone), aws, azure or gcp. Without it, generic. Only for the type oci.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "generic", "enum" = ["generic", "aws", "azure", "gcp"]))]
    pub provider: Option<String>,
}

impl HelmRepositorySpec {
    /// The type, [`TYPE_DEFAULT`] when none is named.
    pub fn type_(&self) -> &str {
        self.type_.as_deref().unwrap_or(TYPE_DEFAULT)
    }

    /// Whether the repository is in an OCI registry.
    pub fn is_oci(&self) -> bool {
        self.type_() == TYPE_OCI
    }

    /// The provider, [`PROVIDER_GENERIC`] when none is named.
    pub fn provider(&self) -> &str {
        self.provider.as_deref().unwrap_or(PROVIDER_GENERIC)
    }

    /// The time between two looks, [`DEFAULT_INTERVAL`] when none is set or it is zero.
    pub fn interval(&self) -> Result<time::Duration, duration::Error> {
        let interval = self.interval.as_ref().map_or(Ok(DEFAULT_INTERVAL), Duration::get)?;
        Ok(if interval.is_zero() { DEFAULT_INTERVAL } else { interval })
    }

    /// The time that fetching the index, or a chart, may take, [`DEFAULT_TIMEOUT`] when none is set.
    pub fn timeout(&self) -> Result<time::Duration, duration::Error> {
        self.timeout.as_ref().map_or(Ok(DEFAULT_TIMEOUT), Duration::get)
    }
}

/// What the controller found out about a HelmRepository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct HelmRepositoryStatus {
    /// The generation that was last reconciled; -1 before the first pass ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The state, aspect by aspect.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// Address of the latest artifact, whichever that is. To know what is served there, use the artifact's own.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,

    /// The artifact now in storage: the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,

    /// The value of the reconcile request annotation that was handled last.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// SHA-256 over everything besides the revision that shapes the artifact's content.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub content_config_checksum: Option<String>,
}
