//! Finding files below a directory, links never followed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::remove;
use crate::{Error, location::TEMPORARY};

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub modified: SystemTime,
    pub path: PathBuf,
}

impl Found {
    /// Whether it is a file in the making, not an artifact.
    pub(super) fn is_temporary(&self) -> bool {
        let name = self.path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
    }
}

/// All regular files below a directory, in no order. None if it does not exist. What is below
/// directories that belong to others (a volume's `lost+found`) is passed over.
pub(super) fn files(top: &Path) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    let mut directories = vec![top.to_owned()];
    while let Some(dir) = directories.pop() {
        match list(&dir, &mut directories, &mut found) {
            Ok(()) => {}
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied && dir != top => {}
            Err(source) => return Err(Error::Read { path: dir, source }),
        }
    }
    Ok(found)
}

fn list(dir: &Path, directories: &mut Vec<PathBuf>, found: &mut Vec<Found>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() {
            directories.push(path);
        } else if kind.is_file() {
            match entry.metadata().and_then(|file| file.modified()) {
                Ok(modified) => found.push(Found { modified, path }),
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Removes all temporary files below a directory.
pub(super) fn temporary_files(root: &Path) -> Result<(), Error> {
    for file in files(root)? {
        if file.is_temporary() {
            remove(&file.path)?;
        }
    }
    Ok(())
}
