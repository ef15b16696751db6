//! Files that become artifacts, or vanish.

use std::{
    fs::{DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use tempfile::NamedTempFile;

use crate::{Error, location::TEMPORARY};

/// A file that is removed when dropped, unless it was made to last.
pub(super) struct Temporary(NamedTempFile);

impl Temporary {
    /// A file in `dir`, for its owner only.
    pub(super) fn create(dir: &Path) -> io::Result<Self> {
        tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir).map(Self)
    }

    /// A file in the directory of `path`, which is created if it is missing.
    pub(super) fn beside(path: &Path) -> Result<Self, Error> {
        let dir = path.parent().unwrap_or(path);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| Error::Directory { path: dir.to_owned(), source })?;
        Self::create(dir).map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    /// Gives it a name in the same directory. Nothing is synced: after a crash of the machine it may
    /// be there with other contents.
    pub(super) fn rename(self, path: &Path) -> io::Result<()> {
        self.0.persist(path).map(drop).map_err(|error| error.error)
    }

    /// Makes it last: synced, under its name, and the name synced too. `path` is in the same
    /// directory.
    pub(super) fn persist(self, path: &Path) -> io::Result<()> {
        self.0.as_file().sync_all()?;
        self.rename(path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
