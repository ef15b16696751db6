//! Indexes of Helm repositories: read from YAML or JSON, checked, sorted and stored as upstream stores them, and searched.
//!
//! Invariant: what is written equals, byte for byte, what Helm's own types make of the same index. A document is never held in memory:
//! versions are, one by one, turned into what is kept of them.

mod document;
mod entry;
mod json;
mod lookup;
mod shelf;
mod write;
mod yaml;

use std::io;
use std::path::{Path, PathBuf};

pub use super::decode::Fault;
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
    /// The file is no index.
    #[error(transparent)]
    Decode(#[from] Fault),
    /// The file cannot be read, or what was made of it not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
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
