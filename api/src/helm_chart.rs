//! `HelmChart`: an artifact from a chart, out of a Helm repository or out of another source's artifact.
#![expect(clippy::duplicated_attributes, reason = "print columns of the same type are no duplicates")]

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::verification::{OidcIdentityMatch, PROVIDER_COSIGN};
use crate::{Artifact, Condition, Duration, LocalObjectReference, lenient};

/// The kind's name.
pub const KIND: &str = "HelmChart";
/// The version of an object that names none: the latest stable one.
pub const DEFAULT_VERSION: &str = "*";
/// A new version of the chart makes a new artifact; so is read an object that names no strategy.
pub const STRATEGY_CHART_VERSION: &str = "ChartVersion";
/// A new revision of the source makes a new artifact, even of the same chart version.
pub const STRATEGY_REVISION: &str = "Revision";

/// Which chart to take, out of which source, and with which values.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "source.toolkit.fluxcd.io",
    version = "v1",
    kind = "HelmChart",
    plural = "helmcharts",
    namespaced,
    status = "HelmChartStatus",
    shortname = "hc",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-sources",
    printcolumn(json_path = ".spec.chart", name = "Chart", type_ = "string"),
    printcolumn(json_path = ".spec.version", name = "Version", type_ = "string"),
    printcolumn(json_path = ".spec.sourceRef.kind", name = "Source Kind", type_ = "string"),
    printcolumn(json_path = ".spec.sourceRef.name", name = "Source Name", type_ = "string"),
    printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date"),
    printcolumn(json_path = r#".status.conditions[?(@.type=="Ready")].status"#, name = "Ready", type_ = "string"),
    printcolumn(json_path = r#".status.conditions[?(@.type=="Ready")].message"#, name = "Status", type_ = "string"),
    doc = "A Helm chart, of which one version is kept as an artifact.",
    derive = "Default",
    derive = "PartialEq",
    // The schema lets an object without a spec pass, so it must decode. kube takes no serde attribute here by itself.
    attr = "cfg_attr(all(), serde(default))"
)]
#[serde(default, rename_all = "camelCase")]
#[schemars(
    !default,
    extend("x-kubernetes-validations" = [{
        "message": "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
        "rule": "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
    }])
)]
pub struct HelmChartSpec {
    /// Name of the chart in a HelmRepository, or its path in the artifact of another source.
    #[serde(deserialize_with = "lenient::or_default")]
    pub chart: String,

    /// Version of the chart, or a range of which the highest matching one is taken. Only for charts of a HelmRepository.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "*"))]
    pub version: Option<String>,

    /// The source that has the chart.
    #[serde(deserialize_with = "lenient::or_default")]
    pub source_ref: LocalHelmChartSourceReference,

    /// How often the source is asked for changes, roughly: jitter may be added.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub interval: Duration,

    /// What makes a new artifact: a new version of the chart (ChartVersion), or any new revision of the source (Revision).
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "ChartVersion", "enum" = ["ChartVersion", "Revision"]))]
    pub reconcile_strategy: Option<String>,

    /// Files to merge into the chart's values, in place of its values.yaml: paths in the source, later ones counting before
    /// earlier ones.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,

    /// Passes over values files that are not there, which otherwise fail the chart.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_false")]
    pub ignore_missing_values_files: bool,

    /// Switches reconciling off while it is true.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_false")]
    pub suspend: bool,

    /// Which signatures of the chart to check. Only for a HelmRepository of the type oci; dependencies are not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<HelmChartVerification>,
}

impl HelmChartSpec {
    /// The version, [`DEFAULT_VERSION`] when none is named.
    pub fn version(&self) -> &str {
        self.version.as_deref().unwrap_or(DEFAULT_VERSION)
    }

    /// Whether a new revision of the source makes a new artifact, even of the same chart version.
    pub fn follows_revision(&self) -> bool {
        self.reconcile_strategy.as_deref() == Some(STRATEGY_REVISION)
    }
}

/// Names a source, in the namespace of the HelmChart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct LocalHelmChartSourceReference {
    /// Group and version of the source.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,

    /// Kind of the source: HelmRepository, GitRepository or Bucket.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(extend("enum" = ["HelmRepository", "GitRepository", "Bucket"]))]
    pub kind: String,

    /// Name of the source.
    #[serde(deserialize_with = "lenient::or_default")]
    pub name: String,
}

/// Which signatures of a chart to check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct HelmChartVerification {
    /// What the signatures were made with: cosign or notation.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(extend("default" = "cosign", "enum" = ["cosign", "notation"]))]
    pub provider: String,

    /// Secret with the trusted public keys. Without it, signatures of cosign are checked as keyless ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,

    /// Whose keyless signatures of cosign to accept; a signature is good if one of these matches. Without any, anyone's.
    #[serde(default, rename = "matchOIDCIdentity", deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub match_oidc_identity: Vec<OidcIdentityMatch>,
}

impl HelmChartVerification {
    /// The provider, [`PROVIDER_COSIGN`] when none is named.
    pub fn provider(&self) -> &str {
        if self.provider.is_empty() { PROVIDER_COSIGN } else { &self.provider }
    }
}

/// What the controller found out about a HelmChart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct HelmChartStatus {
    /// The generation that was last reconciled; -1 before the first pass ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The revision of the source that was looked at last.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub observed_source_artifact_revision: Option<String>,

    /// The name that the chart has by its own account.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub observed_chart_name: Option<String>,

    /// The values files that the artifact was made with.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub observed_values_files: Vec<String>,

    /// The state, aspect by aspect.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// Address of the latest artifact, whichever that is. To know what is served there, use the artifact's own.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,

    /// The artifact now in storage: the chart, packaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,

    /// The value of the reconcile request annotation that was handled last.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// SHA-256 over everything besides the revision that shapes the artifact's content.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub content_config_checksum: Option<String>,
}
