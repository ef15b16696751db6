//! Indexes of Helm repositories: read from YAML or JSON, checked, sorted and stored as upstream stores them, and searched.
//!
//! Invariant: what is written equals, byte for byte, what Helm's own types make of the same index. A document is never held in memory:
//! versions are, one by one, turned into what is kept of them.

mod decode;
mod document;
mod entry;
mod json;
mod lookup;
mod number;
mod shelf;
mod source;
mod text;
mod write;
mod yaml;

use std::io;
use std::path::{Path, PathBuf};

pub use lookup::{Index, NotFound, Version};

use document::Document;

/// What an index may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How large the file may be, in bytes; aliases may not bring in more text than that either.
    pub file: u64,
    /// How deep lists and maps may nest.
    pub depth: usize,
    /// How many versions there may be, those of all charts together, invalid ones among them; and how many charts.
    pub versions: usize,
}

impl Limits {
    /// Limits for files of up to `file` bytes: a depth of 100, a million versions.
    pub const fn of_file(file: u64) -> Self {
        Self { file, depth: 100, versions: 1_000_000 }
    }
}

/// What was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many charts the index names, those without versions among them.
    pub charts: usize,
    /// How many versions there are.
    pub versions: usize,
    /// How many versions were invalid and left out.
    pub dropped: usize,
    /// How many bytes were written.
    pub bytes: u64,
}

/// Why an index was refused. The wording is upstream's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file has no content.
    #[error("empty index.yaml file")]
    Empty,
    /// The index does not say which version of the format it has, or is no index at all.
    #[error("no API version specified")]
    NoApiVersion,
    /// The path leads to something else than a file.
    #[error("index is not a regular file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is larger than allowed.
    #[error("index exceeds the maximum index file size of {limit} bytes")]
    TooLarge {
        /// The path of the file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// There are more versions than allowed.
    #[error("index has more than {limit} chart versions")]
    TooManyVersions {
        /// The limit.
        limit: usize,
    },
    /// A version, or what stands beside the versions, has more values than allowed.
    #[error("index has more than {limit} values in one place")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// Lists and maps are nested deeper than allowed.
    #[error("index is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The file is neither JSON nor YAML, or repeats keys, or explodes.
    #[error("error converting YAML to JSON: {0}")]
    Yaml(String),
    /// A value is of another type than the index needs, or a field is unknown.
    #[error("{0}")]
    Value(String),
    /// The file is not JSON; it is read as YAML then, so that callers never see this.
    #[error("invalid JSON")]
    NotJson,
    /// The file cannot be read, or what was made of it not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    fn yaml(message: &str) -> Self {
        Self::Yaml(format!("yaml: {message}"))
    }
}

/// Reads an index of YAML or JSON, leaves out invalid versions, sorts the others (the newest first) and writes the index as JSON.
///
/// Peak memory is about the size of the file; nothing is written unless the whole index is accepted.
///
/// # Errors
/// [`Error`], worded as upstream where upstream fails too. Numbers and booleans where strings belong are taken as they are written.
pub fn normalise(from: &Path, to: &mut dyn io::Write, limits: &Limits) -> Result<Summary, Error> {
    Document::read(from, limits, write::entry)?.write(to)
}

#[cfg(test)]
mod tests;
