//! A place for mirrors that belongs to one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::Generation;

/// The most processes that keep mirrors below one root.
const MOST: usize = 32;
/// Who holds it locked has the slot.
const LOCK: &str = "lock";
/// What makes the names of mirrors say nothing about credentials.
const SALT: &str = "salt";
/// Bytes of the salt.
const SALT_LENGTH: usize = 32;

/// A folder that is locked for as long as this lives; a process that dies gives it back.
pub(super) struct Slot {
    folder: PathBuf,
    salt: Vec<u8>,
    _lock: File,
}

impl Slot {
    /// Takes the first slot below `root` that is free, and empties all other free ones.
    pub(super) fn take(root: &Path) -> io::Result<Self> {
        private(root)?;
        let mut taken = None;
        for number in 0..MOST {
            let folder = root.join(number.to_string());
            if taken.is_some() && !folder.is_dir() {
                break;
            }
            private(&folder)?;
            let lock = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
            match lock.try_lock() {
                Ok(()) if taken.is_none() => taken = Some((folder, lock)),
                Ok(()) => empty(&folder)?,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let (folder, lock) = taken.ok_or_else(|| io::Error::other(format!("{MOST} processes keep mirrors there already")))?;
        let salt = salt(&folder.join(SALT))?;
        Ok(Self { folder, salt, _lock: lock })
    }

    /// Goes into the name of each mirror.
    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The folder of a mirror.
    pub(super) fn folder(&self, key: &str) -> PathBuf {
        self.folder.join(key)
    }

    /// What the process before left: of each mirror the newest generation. Everything else is removed.
    pub(super) fn generations(&self) -> io::Result<Vec<(String, Generation)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let Some(key) = path.file_name().and_then(|name| name.to_str()).filter(|name| ![LOCK, SALT].contains(name)) else { continue };
            if let Some(generation) = Generation::newest(&path) {
                found.push((key.to_owned(), generation));
            } else {
                remove(&path)?;
            }
        }
        Ok(found)
    }
}

/// The salt of the slot; a new one makes all mirrors strangers, so they go.
fn salt(path: &Path) -> io::Result<Vec<u8>> {
    let mut salt = Vec::new();
    if let Ok(file) = File::open(path)
        && file.take(SALT_LENGTH as u64 + 1).read_to_end(&mut salt).is_err()
    {
        salt.clear();
    }
    if salt.len() == SALT_LENGTH {
        return Ok(salt);
    }
    if let Some(folder) = path.parent() {
        empty(folder)?;
    }
    let salt = rand::random::<[u8; SALT_LENGTH]>().to_vec();
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(&salt)?;
    Ok(salt)
}

/// A folder that nobody else can read.
fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(folder)
}

/// Removes everything but the lock.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name != LOCK) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
