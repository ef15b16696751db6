//! What can go wrong, told apart by what a caller would do about it.

use std::{io, path::PathBuf};

use bstr::BString;

use crate::Digest;

/// Why an operation on the storage failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The storage cannot be used at all: its root is no directory, or nothing can be written there.
    #[error("storage {}: {reason}", path.display())]
    Root {
        /// The root as it was configured.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
        /// The refused operation.
        source: io::Error,
    },
    /// A directory for artifacts could not be created.
    #[error("creating directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An artifact could not be written: the disk is full, or a write, sync or rename failed.
    #[error("writing {}", path.display())]
    Write {
        /// Where the artifact would have been.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A stored artifact or its directory could not be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A stored artifact could not be removed.
    #[error("removing {}", path.display())]
    Remove {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The contents of an entry could not be read, or are not as long as the entry says.
    #[error("reading the contents of {path:?}")]
    Contents {
        /// The entry's path in the archive.
        path: BString,
        /// Why not.
        source: io::Error,
    },
    /// An entry cannot be part of an archive.
    #[error("entry {path:?}: {reason}")]
    Entry {
        /// The entry's path as given.
        path: BString,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A stored artifact is not what its digest says.
    #[error("{} has digest {actual}, expected {expected}", path.display())]
    Mismatch {
        /// The artifact's file.
        path: PathBuf,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of the bytes on disk.
        actual: Digest,
    },
    /// An artifact that was to be unpacked is not there.
    #[error("open {}: no such file or directory", path.display())]
    Missing {
        /// The artifact's file.
        path: PathBuf,
    },
    /// There is no such file or folder in an artifact.
    #[error("cannot stat {from}: no such file or directory")]
    NotInArchive {
        /// What was asked for, without `.` and `..`.
        from: BString,
    },
    /// An artifact is no archive that a controller would have written.
    #[error("unpacking {}: {reason}", path.display())]
    Archive {
        /// The artifact's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An artifact holds more than its caller takes.
    #[error("unpacking {}: more than {limit} {what}", path.display())]
    Limit {
        /// The artifact's file.
        path: PathBuf,
        /// The bound, in what `what` counts.
        limit: u64,
        /// What there is too much of.
        what: &'static str,
    },
    /// What was unpacked could not be written to the scratch folder.
    #[error("unpacking to {}", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The operation was cancelled by its caller.
    #[error("cancelled")]
    Cancelled,
    /// A name that cannot be part of an artifact's path, or a path without exactly four parts.
    #[error("bad artifact location {given:?}: {reason}")]
    Location {
        /// The part or path as given.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A digest algorithm that is not known.
    #[error("unknown digest algorithm {0:?}: expected sha256, sha384, sha512 or blake3")]
    Algorithm(String),
    /// A text that is no digest.
    #[error("bad digest {0:?}: expected <algorithm>:<lower-case hex of the algorithm's length>")]
    Digest(String),
}
