//! When an object's last good pass ended.

use std::{fs::File, path::PathBuf, time::SystemTime};

use super::{Storage, hidden::PASS};
use crate::{Error, Location};

impl Storage {
    /// Notes that a pass of the object ended well now. Survives a restart of the process, but is not
    /// synced: after a crash of the machine it may say an earlier time, or none.
    ///
    /// # Errors
    /// [`Error::Write`], also if nothing was ever stored for the object.
    pub fn mark(&self, at: &Location) -> Result<(), Error> {
        let path = self.pass(at);
        let opened = File::options().write(true).create(true).truncate(false).open(&path);
        opened.and_then(|file| file.set_modified(SystemTime::now())).map_err(|source| Error::Write { path, source })
    }

    /// When [`mark`](Self::mark) was last called for the object, as far as is known. A clock that was
    /// set back makes it a time in the future.
    pub fn marked(&self, at: &Location) -> Option<SystemTime> {
        let file = self.pass(at).symlink_metadata().ok()?;
        file.modified().ok().filter(|_| file.is_file())
    }

    fn pass(&self, at: &Location) -> PathBuf {
        self.file(at).with_file_name(PASS)
    }
}
