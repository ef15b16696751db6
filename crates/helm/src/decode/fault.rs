//! Faults of a document.

use std::io;

/// Why a document could not be decoded. The wording is upstream's.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A value is of another type than its field, or a field is unknown.
    #[error("{0}")]
    Value(String),
    /// The document is no YAML, repeats keys, or explodes.
    #[error("error converting YAML to JSON: {0}")]
    Yaml(String),
    /// The document is no JSON; it is read as YAML then, so that callers never see this.
    #[error("invalid JSON")]
    NotJson,
    /// A version, or what stands beside the versions, has more values than allowed.
    #[error("index has more than {limit} values in one place")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// There are more versions than allowed.
    #[error("index has more than {limit} chart versions")]
    TooManyVersions {
        /// The limit.
        limit: usize,
    },
    /// Lists and maps are nested deeper than allowed.
    #[error("index is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The document cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Fault {
    pub(crate) fn yaml(message: &str) -> Self {
        Self::Yaml(format!("yaml: {message}"))
    }
}
