//! Which artifacts have had their time.
//!
//! Sidecars and the mark of the last pass are no artifacts: they count for nothing, and a sidecar
//! goes when its artifact is not there.

use std::{
    collections::HashSet,
    ffi::OsStr,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{Retention, hidden, remove, sweep};
use crate::Error;

/// Removes what retention does not keep from the folder of `keep`.
pub(super) fn collect(keep: &Path, retention: Retention) -> Result<Vec<PathBuf>, Error> {
    let folder = keep.parent().unwrap_or(keep);
    let (hidden, files): (Vec<_>, Vec<_>) = sweep::files(folder)?.into_iter().partition(|file| hidden::is_hidden(&file.path));
    let artifacts: Vec<_> =
        files.into_iter().filter(|file| !file.is_temporary() && file.path.extension() != Some(OsStr::new("lock"))).collect();
    let mut there: HashSet<PathBuf> = artifacts.iter().map(|file| file.path.clone()).collect();
    let mut removed = Vec::new();
    let mut failure = None;
    for path in garbage(artifacts, keep, retention, SystemTime::now()) {
        // Another implementation may have left a lock beside the file.
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        match remove(&path).and_then(|gone| remove(Path::new(&lock)).map(|_| gone)) {
            Ok(gone) => {
                there.remove(&path);
                removed.extend(gone.then_some(path));
            }
            Err(error) => failure = Some(error),
        }
    }
    for file in hidden {
        if hidden::artifact(&file.path).is_some_and(|artifact| !there.contains(&artifact)) {
            failure = remove(&file.path).err().or(failure);
        }
    }
    failure.map_or(Ok(removed), Err)
}

/// What to remove: the expired, then the oldest until no more than the records are left.
fn garbage(mut artifacts: Vec<sweep::Found>, keep: &Path, retention: Retention, now: SystemTime) -> Vec<PathBuf> {
    artifacts.sort();
    let total = artifacts.len();
    let expired = |file: &sweep::Found| {
        // A file from the future has no age.
        now.duration_since(file.modified).is_ok_and(|age| age > retention.ttl)
    };
    let mut garbage = Vec::new();
    // Oldest first, so all that are expired come before any that is not.
    for file in artifacts.into_iter().filter(|file| file.path != keep) {
        if expired(&file) || total - garbage.len() > retention.records {
            garbage.push(file.path);
        }
    }
    garbage
}
