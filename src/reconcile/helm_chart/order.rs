//! What is asked of a build, worked out from the object alone. Pure.

use headwater_api::helm_chart::{HelmChart, HelmChartSpec};
use headwater_api::{Artifact, reason};
use headwater_storage::{Algorithm, Location};

use super::build::{Build, How};
use crate::reconcile::Ctx;
use headwater_helm::chart::{self, Absent};

/// The longest digest, in bytes.
const MOST_NOTED: u64 = 256;

/// What the chart is to be.
pub struct Order<'a> {
    spec: &'a HelmChartSpec,
    generation: i64,
    observed_values_files: &'a [String],
    /// The chart that is there, unless it was made under another configuration: its name and version.
    there: Option<(&'a str, String)>,
    /// Where the chart that is there is stored.
    at: Option<Location>,
    /// The checksum of the configuration that shapes the chart.
    pub checksum: String,
}

/// What else the version says.
pub enum Marking<'a> {
    /// Nothing.
    None,
    /// The source's revision.
    Revision(&'a str),
}

impl<'a> Order<'a> {
    /// The order of `object`, whose artifact `kept` is in storage.
    pub fn new(object: &'a HelmChart, kept: Option<&Artifact>) -> Self {
        let checksum = checksum(&object.spec);
        let generation = object.metadata.generation.unwrap_or_default();
        let status = object.status.as_ref();
        let same = status.is_some_and(|status| match &status.content_config_checksum {
            Some(before) => *before == checksum,
            // The field may not be known to the API server.
            None => status.observed_generation == Some(generation),
        });
        let name = status.and_then(|status| status.observed_chart_name.as_deref());
        let there = name.zip(kept.map(|artifact| artifact.revision.clone())).filter(|_| same);
        let at = kept.and_then(|artifact| Location::parse(&artifact.path).ok());
        let observed_values_files = status.map_or(&[][..], |status| &status.observed_values_files);
        Self { spec: &object.spec, generation, observed_values_files, there, at, checksum }
    }

    /// The values files that take the place of the chart's own values; none where they are those.
    pub fn values_files(&self) -> &'a [String] {
        chart::effective_values_files(&self.spec.values_files)
    }

    /// What becomes of values files that are missing.
    pub fn absent(&self) -> Absent {
        if self.spec.ignore_missing_values_files { Absent::Ignored } else { Absent::Refused }
    }

    /// The version of the chart as it is to be named, and whether that is another than its own.
    pub fn version(&self, own: &str, marking: &Marking<'_>) -> Result<(String, bool), chart::Error> {
        let mut parts = Vec::new();
        if let Marking::Revision(revision) = marking {
            parts.push((*revision).to_owned());
        }
        if !self.values_files().is_empty() {
            parts.push(self.generation.to_string());
        }
        if parts.is_empty() {
            return Ok((own.to_owned(), false));
        }
        Ok((chart::with_metadata(own, &parts.join("."))?, true))
    }

    /// The build that is there already, if it is the one that is asked for.
    pub fn built(&self, name: &str, version: &str, how: How) -> Option<Build> {
        self.there.as_ref().filter(|(known, kept)| (*known, kept.as_str()) == (name, version))?;
        let observed = Some(self.observed_values_files).filter(|files| !files.is_empty());
        let values_files = observed.unwrap_or(self.values_files()).to_vec();
        Some(Build {
            name: name.to_owned(),
            version: version.to_owned(),
            values_files,
            how,
            dependencies: 0,
            verified: None,
            content: None,
        })
    }

    /// The digest of the verified manifest that the chart that is there was made from.
    pub fn verified(&self, cx: &Ctx) -> Option<String> {
        String::from_utf8(cx.storage.noted(self.at.as_ref()?, MOST_NOTED)?).ok()
    }

    /// What a good pass of before said, if nothing can have changed since: neither the configuration nor `revision`, the source's.
    pub fn rests(&self, object: &HelmChart, revision: &str) -> Option<Build> {
        use headwater_api::condition::{ARTIFACT_IN_STORAGE, READY, find};
        let status = object.status.as_ref()?;
        let (name, version) = self.there.as_ref()?;
        let settled = status.observed_generation == object.metadata.generation
            && status.observed_source_artifact_revision.as_deref() == Some(revision)
            && find(&status.conditions, READY).is_some_and(headwater_api::Condition::is_true);
        let told = find(&status.conditions, ARTIFACT_IN_STORAGE)?;
        let how = if told.reason == reason::CHART_PULL_SUCCEEDED { How::Pulled } else { How::Packaged };
        self.built(name, version, how).filter(|_| settled)
    }
}

/// SHA-256 over canonical JSON of everything besides the versions of charts and sources that shapes the artifact.
fn checksum(spec: &HelmChartSpec) -> String {
    let shaping = serde_json::json!({
        "chart": spec.chart,
        "ignoreMissingValuesFiles": spec.ignore_missing_values_files,
        "revision": spec.follows_revision(),
        "source": [&spec.source_ref.kind, &spec.source_ref.name],
        "valuesFiles": spec.values_files,
    });
    Algorithm::Sha256.digest(shaping.to_string().as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn object(spec: &serde_json::Value, status: &serde_json::Value) -> HelmChart {
        let metadata = serde_json::json!({ "name": "c", "namespace": "ns", "generation": 2 });
        let object = serde_json::json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmChart", "metadata": metadata, "spec": spec, "status": status });
        serde_json::from_value(object).unwrap()
    }

    fn artifact() -> Artifact {
        Artifact { revision: "1.0.0".into(), ..Artifact::default() }
    }

    #[test]
    fn values_files_and_revisions_are_told_by_the_version() {
        let plain = object(&serde_json::json!({ "chart": "x", "valuesFiles": ["./values.yaml"] }), &serde_json::json!({}));
        let order = Order::new(&plain, None);
        assert_eq!(order.version("1.0", &Marking::None), Ok(("1.0".into(), false)));
        assert_eq!(order.version("1.0", &Marking::Revision("abc")), Ok(("1.0.0+abc".into(), true)));
        let merged = object(&serde_json::json!({ "chart": "x", "valuesFiles": ["values.yaml", "b.yaml"] }), &serde_json::json!({}));
        let order = Order::new(&merged, None);
        assert_eq!(order.version("1.0.0+z", &Marking::None), Ok(("1.0.0+2".into(), true)));
        assert_eq!(order.version("1.0.0", &Marking::Revision("abc")), Ok(("1.0.0+abc.2".into(), true)));
    }

    #[test]
    fn the_same_chart_is_built_once() {
        let spec = serde_json::json!({ "chart": "x", "sourceRef": { "kind": "HelmRepository", "name": "h" } });
        let first = checksum(&object(&spec, &serde_json::json!({})).spec);
        let there = |checksum: Option<&str>, observed: i64, spec: &serde_json::Value| {
            let status = serde_json::json!({ "observedChartName": "x", "observedGeneration": observed, "contentConfigChecksum": checksum });
            let object = object(spec, &status);
            Order::new(&object, Some(&artifact())).built("x", "1.0.0", How::Pulled).is_some()
        };
        assert!(there(Some(&first), 1, &spec), "another interval is no other chart");
        assert!(there(None, 2, &spec));
        assert!(!there(None, 1, &spec));
        let other = serde_json::json!({ "chart": "x", "sourceRef": { "kind": "HelmRepository", "name": "other" } });
        assert!(!there(Some(&first), 2, &other));
        let order = object(&spec, &serde_json::json!({ "observedChartName": "y", "contentConfigChecksum": first }));
        assert!(Order::new(&order, Some(&artifact())).built("x", "1.0.0", How::Pulled).is_none());
    }
}
