//! Helm charts: bytes in, bytes out.
//!
//! Invariant: nothing here touches a network, a clock or the disk; what a chart may need of memory and time is bounded by [`Limits`];
//! the same chart is packaged to the same bytes.

mod archive;
mod dependency;
mod ignore;
mod load;
mod lock;
pub(super) mod metadata;
mod package;
mod reference;
mod source;
mod text;
mod values;
mod version;

use serde_json::{Map, Value};

pub use dependency::Missing;
pub use metadata::{Dependency, Maintainer, Metadata, V1, V2};
pub use reference::{check_name, check_path, effective_values_files};
pub use source::{Kind, Source, located};
pub use values::{Absent, Merged, merge_files};
pub use version::with_metadata;

use crate::decode::Fault;

use self::load::File;
use self::lock::Lock;
use headwater_goyaml as yaml;

/// Bounds of what is read for a chart.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a packed chart. Upstream's `--helm-chart-max-size`.
    pub archive: u64,
    /// Bytes of a file in a chart's folder, and of `Chart.yaml` wherever it is. Upstream's `--helm-chart-file-max-size`.
    pub file: u64,
    /// Bytes of a file in a packed chart.
    pub packed_file: u64,
    /// Bytes of all files of a chart, those of packed subcharts among them.
    pub total: u64,
    /// Files of a chart, those of packed subcharts among them.
    pub entries: usize,
    /// Levels of charts within charts.
    pub depth: usize,
    /// Charts within a chart, on all levels.
    pub charts: usize,
    /// Bounds of each YAML document.
    pub yaml: yaml::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive: 10 << 20,
            file: 5 << 20,
            packed_file: 5 << 20,
            total: 100 << 20,
            entries: 20_000,
            depth: 32,
            charts: 1000,
            yaml: yaml::Limits { bytes: 10 << 20, depth: 500, nodes: 1_000_000 },
        }
    }
}

/// What is wrong with a chart, in upstream's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

impl Problem {
    /// A problem that `message` describes.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The same, with what was being done before it: `context: problem`.
    #[must_use]
    pub fn within(&self, context: impl AsRef<str>) -> Self {
        Self(format!("{}: {}", context.as_ref(), self.0))
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

impl From<yaml::Error> for Problem {
    fn from(error: yaml::Error) -> Self {
        Self(error.to_string())
    }
}

/// Why a chart could not be built; a variant for each of upstream's reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing at the place that was named, or no valid chart.
    #[error("invalid chart reference: {0}")]
    InvalidChartReference(Problem),
    /// A chart that was fetched is none.
    #[error("chart pull error: {0}")]
    ChartPull(Problem),
    /// The version cannot be given build metadata.
    #[error("chart metadata patch error: {0}")]
    MetadataPatch(Problem),
    /// Values files are missing, malformed, or have no place in the chart.
    #[error("values files merge error: {0}")]
    ValuesFiles(Problem),
    /// A dependency is not to be had.
    #[error("dependency build error: {0}")]
    DependencyBuild(Problem),
    /// The chart cannot be loaded or packaged.
    #[error("chart package error: {0}")]
    ChartPackage(Problem),
}

/// A chart in memory, its subcharts within.
#[derive(Debug, Clone)]
pub struct Chart {
    metadata: Metadata,
    lock: Option<Lock>,
    /// What `values.yaml` says; `None` where there is none.
    values: Option<Map<String, Value>>,
    /// The `values.yaml` as it was; more than one where an archive has more.
    raw_values: Vec<File>,
    schema: Option<File>,
    templates: Vec<File>,
    files: Vec<File>,
    dependencies: Vec<Chart>,
    /// When `Chart.yaml` was changed, in seconds since 1970.
    seconds: i64,
}

impl Chart {
    /// What `Chart.yaml` says, with `requirements.yaml` over it.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Name of the chart.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Version of the chart.
    pub fn version(&self) -> &str {
        &self.metadata.version
    }

    /// Gives the chart another version.
    pub fn set_version(&mut self, version: impl Into<String>) {
        self.metadata.version = version.into();
    }

    /// The default values; `None` where the chart has no `values.yaml`.
    pub fn values(&self) -> Option<&Map<String, Value>> {
        self.values.as_ref()
    }

    /// The charts that this one has below `charts/`, or was given.
    pub fn dependencies(&self) -> &[Chart] {
        &self.dependencies
    }

    /// How many bytes are in its files and in those of its dependencies.
    pub fn size(&self) -> u64 {
        let files = self.raw_values.iter().chain(&self.schema).chain(&self.templates).chain(&self.files);
        let own: u64 = files.map(|file| file.data.len() as u64).sum();
        own + self.dependencies.iter().map(Self::size).sum::<u64>()
    }
}
