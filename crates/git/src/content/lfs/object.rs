//! A file on its way to the disk.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::Pointer;

/// A file that is written, and not there before it was found to be what its pointer says.
pub(super) struct Incoming<'a> {
    pointer: &'a Pointer,
    file: File,
    unchecked: PathBuf,
    checked: PathBuf,
    digest: Sha256,
    written: u64,
}

/// Why a file could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum Flaw {
    #[error("it has more than the {0} bytes that its pointer says")]
    TooLong(u64),
    #[error("it has {0} bytes, not the {1} that its pointer says")]
    TooShort(u64, u64),
    #[error("its SHA-256 is not the one that its pointer says")]
    Digest,
    #[error("{0}")]
    Disk(#[from] io::Error),
}

impl<'a> Incoming<'a> {
    pub(super) fn new(folder: &Path, pointer: &'a Pointer) -> io::Result<Self> {
        let unchecked = folder.join(format!("{}.unchecked", pointer.oid));
        // Made on this thread: once the caller is gone, nothing may appear in the folder any more.
        let file = File::from_std(std::fs::File::create(&unchecked)?);
        Ok(Self { pointer, file, unchecked, checked: folder.join(&pointer.oid), digest: Sha256::new(), written: 0 })
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.written > self.pointer.size {
            return Err(Flaw::TooLong(self.pointer.size));
        }
        self.digest.update(bytes);
        Ok(self.file.write_all(bytes).await?)
    }

    pub(super) async fn finish(mut self) -> Result<(), Flaw> {
        self.file.flush().await?;
        if self.written != self.pointer.size {
            return Err(Flaw::TooShort(self.written, self.pointer.size));
        }
        let digest = self.digest.finalize();
        if hex::encode(digest) != self.pointer.oid {
            return Err(Flaw::Digest);
        }
        Ok(std::fs::rename(&self.unchecked, &self.checked)?)
    }
}
