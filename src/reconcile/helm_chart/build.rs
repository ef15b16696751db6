//! What came of building a chart, and why nothing did.

use headwater_api::reason;

use crate::reconcile::failure::{Failure, Mark};
use headwater_helm::chart;

/// A chart that is there.
#[derive(Clone, Debug)]
pub struct Build {
    /// Its name.
    pub name: String,
    /// Its version, with build metadata where that was asked for.
    pub version: String,
    /// The values files that went into it.
    pub values_files: Vec<String>,
    /// Where its bytes are from.
    pub how: How,
    /// How many charts were added to it.
    pub dependencies: usize,
    /// The digest of the manifest whose signatures were verified.
    pub verified: Option<String>,
    /// The bytes; none where the artifact of before has them.
    pub content: Option<Vec<u8>>,
}

/// Where the bytes of a chart are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// From its repository, as they are.
    Pulled,
    /// They were packaged here.
    Packaged,
}

impl Build {
    /// What conditions and events say.
    pub fn summary(&self) -> String {
        let action = match self.how {
            How::Pulled => "pulled",
            How::Packaged => "packaged",
        };
        let merged = if self.values_files.is_empty() {
            String::new()
        } else {
            format!(" and merged values files [{}]", self.values_files.join(" "))
        };
        format!("{action} '{}' chart with version '{}'{merged}", self.name, self.version)
    }

    /// The reason of conditions and events.
    pub fn reason(&self) -> &'static str {
        match self.how {
            How::Pulled => reason::CHART_PULL_SUCCEEDED,
            How::Packaged => reason::CHART_PACKAGE_SUCCEEDED,
        }
    }
}

/// Why a chart could not be built.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {why}", .class.summary())]
pub struct Error {
    class: Class,
    why: String,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Reference,
    Pull,
    Metadata,
    Values,
    Dependency,
    Package,
    Verification,
}

impl Class {
    fn summary(self) -> &'static str {
        match self {
            Self::Reference => "invalid chart reference",
            Self::Pull => "chart pull error",
            Self::Metadata => "chart metadata patch error",
            Self::Values => "values files merge error",
            Self::Dependency => "dependency build error",
            Self::Package => "chart package error",
            Self::Verification => "chart verification error",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Reference => reason::INVALID_CHART_REFERENCE,
            Self::Pull => reason::CHART_PULL_ERROR,
            Self::Metadata => reason::METADATA_PATCH_ERROR,
            Self::Values => reason::VALUES_FILES_ERROR,
            Self::Dependency => reason::DEPENDENCY_BUILD_ERROR,
            Self::Package => reason::CHART_PACKAGE_ERROR,
            Self::Verification => reason::CHART_VERIFICATION_ERROR,
        }
    }

    fn mark(self) -> Mark {
        match self {
            Self::Reference | Self::Pull => Mark::ChartNotPulled,
            Self::Metadata | Self::Values | Self::Dependency | Self::Package => Mark::BuildFailed,
            Self::Verification => Mark::ChartUnverified,
        }
    }
}

impl Error {
    /// The chart's name, path or version cannot be used.
    pub fn reference(why: impl Into<String>) -> Self {
        Self { class: Class::Reference, why: why.into() }
    }

    /// The chart could not be had.
    pub fn pull(why: impl Into<String>) -> Self {
        Self { class: Class::Pull, why: why.into() }
    }

    /// A dependency could not be had.
    pub fn dependency(why: impl Into<String>) -> Self {
        Self { class: Class::Dependency, why: why.into() }
    }

    /// The chart could not be loaded or packaged.
    pub fn package(why: impl Into<String>) -> Self {
        Self { class: Class::Package, why: why.into() }
    }

    /// The chart's signatures are missing or bad.
    pub fn verification(why: impl Into<String>) -> Self {
        Self { class: Class::Verification, why: why.into() }
    }
}

impl From<chart::Error> for Error {
    fn from(error: chart::Error) -> Self {
        let (class, problem) = match error {
            chart::Error::InvalidChartReference(problem) => (Class::Reference, problem),
            chart::Error::ChartPull(problem) => (Class::Pull, problem),
            chart::Error::MetadataPatch(problem) => (Class::Metadata, problem),
            chart::Error::ValuesFiles(problem) => (Class::Values, problem),
            chart::Error::DependencyBuild(problem) => (Class::Dependency, problem),
            chart::Error::ChartPackage(problem) => (Class::Package, problem),
        };
        Self { class, why: problem.to_string() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::chart(error.class.mark(), error.class.reason(), error.to_string());
        match error.class {
            Class::Reference | Class::Metadata | Class::Values => failure.stalled(),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_mark_reason_fate_and_message() {
        let classes =
            [Class::Reference, Class::Pull, Class::Metadata, Class::Values, Class::Dependency, Class::Package, Class::Verification];
        let failures = classes.map(|class| Failure::from(Error { class, why: "why".into() }));
        let lines: Vec<_> = failures.iter().map(|f| format!("{:?} {} {:?}: {}", f.mark, f.reason, f.fate, f.message())).collect();
        insta::assert_debug_snapshot!(lines);
    }

    #[test]
    fn a_summary_names_what_was_merged() {
        let mut build = Build {
            name: "podx".into(),
            version: "1.0.0+1".into(),
            values_files: Vec::new(),
            how: How::Pulled,
            dependencies: 0,
            verified: None,
            content: None,
        };
        assert_eq!(build.summary(), "pulled 'podx' chart with version '1.0.0+1'");
        (build.how, build.values_files) = (How::Packaged, vec!["values.yaml".into(), "b.yaml".into()]);
        assert_eq!(build.summary(), "packaged 'podx' chart with version '1.0.0+1' and merged values files [values.yaml b.yaml]");
    }
}
