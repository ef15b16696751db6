//! Files that Git LFS keeps outside Git: pointers to them, and fetching them from the LFS server of a remote, as the Git LFS
//! specification v1 and the batch API with basic transfers have it.
//!
//! Invariants: a file is there under its object id only once its size and its SHA-256 were checked; the remote's credentials go to
//! its own scheme, host and port alone, and what the LFS server says to send for an object goes only where it says; no error holds
//! an address or a query that a server or a tree named. Nothing outlives the checkout: there is no cache.

mod attributes;
mod batch;
mod endpoint;
mod message;
mod object;
mod pointer;
mod store;
mod web;

use std::collections::BTreeMap;
use std::path::Path;

use super::super::{Error, Limits, Remote, local};
use bstr::{BStr, BString, ByteSlice as _};

pub(crate) use attributes::Attributes;
pub(crate) use pointer::Pointer;

/// The most characters of foreign text in an error.
const MAX_WORDS: usize = 256;

/// A file of a tree that is a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Where it is in the tree.
    pub(crate) path: BString,
    /// What it points to.
    pub(crate) pointer: Pointer,
}

/// Fetches what `wanted` points to, each object once, into `folder`, where its name is its object id; the folder is made where it
/// is missing, and what it has already is not fetched again. `remote` is the one whose tree the pointers are from, and `config`
/// that tree's `.lfsconfig`. `room` is how many bytes all files together may have, counted per path.
///
/// # Errors
/// [`Error::Lfs`] for what concerns one file; otherwise see [`Error`].
pub(crate) async fn download(remote: &Remote, config: Option<&[u8]>, wanted: &[Wanted], room: u64, folder: &Path) -> Result<(), Error> {
    let place = Place { remote, url: remote.url.to_string(), folder };
    place.check(wanted, remote.limits, room)?;
    let missing = place.missing(wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(|error| place.disk(&error))?;
    if local::may_be(remote) { store::copy(&place, &missing).await } else { batch::fetch(&place, config, &missing).await }
}

/// From where, and where to.
struct Place<'a> {
    remote: &'a Remote,
    /// The remote's URL as it may be printed.
    url: String,
    folder: &'a Path,
}

impl Place<'_> {
    /// Refuses what could not be fetched in full.
    fn check(&self, wanted: &[Wanted], limits: Limits, room: u64) -> Result<(), Error> {
        let mut total = 0_u64;
        for Wanted { path, pointer } in wanted {
            if pointer.is_extended() {
                return Err(self.flawed(path.as_bstr(), "its pointer asks for extensions of Git LFS, which are not supported"));
            }
            if pointer.size > limits.blob_size {
                return Err(self.too_large(format!("the file {:?}", shortened(path.as_bstr())), "git-max-blob-size"));
            }
            total = total.saturating_add(pointer.size);
            if total > room {
                return Err(self.too_large("the tree".into(), "git-max-tree-size"));
            }
        }
        Ok(())
    }

    /// Those to fetch: one for each object that the folder does not have.
    fn missing<'w>(&self, wanted: &'w [Wanted]) -> Result<Vec<&'w Wanted>, Error> {
        let mut objects = BTreeMap::<&str, &Wanted>::new();
        for one in wanted {
            let first = objects.entry(&one.pointer.oid).or_insert(one);
            let there = std::fs::metadata(self.folder.join(&one.pointer.oid)).ok();
            if first.pointer.size != one.pointer.size || there.is_some_and(|file| file.len() != one.pointer.size) {
                return Err(self.flawed(one.path.as_bstr(), "another pointer names the same object with another size"));
            }
        }
        Ok(objects.into_values().filter(|one| !self.folder.join(&one.pointer.oid).exists()).collect())
    }

    /// Waits for `future`, for no longer than the deadline, the idle timeout and the remote's token allow.
    async fn wait<F: Future>(&self, what: &str, future: F) -> Result<F::Output, Error> {
        let idle = tokio::time::timeout(self.remote.limits.idle_timeout, future);
        self.wait_until_deadline(what, idle).await?.map_err(|_| self.late(what))
    }

    /// Waits for `future`, for no longer than the deadline and the remote's token allow.
    async fn wait_until_deadline<F: Future>(&self, what: &str, future: F) -> Result<F::Output, Error> {
        tokio::select! {
            () = self.remote.cancel.cancelled() => Err(Error::Cancelled { url: self.url.clone() }),
            done = tokio::time::timeout_at(self.remote.deadline, future) => done.map_err(|_| self.late(what)),
        }
    }

    fn late(&self, what: &str) -> Error {
        Error::Timeout { url: self.url.clone(), what: what.to_owned() }
    }

    fn flawed(&self, path: &BStr, message: impl Into<String>) -> Error {
        Error::Lfs { url: self.url.clone(), path: shortened(path), message: message.into() }
    }

    fn unreachable(&self, message: String) -> Error {
        Error::Unreachable { url: self.url.clone(), message }
    }

    fn too_large(&self, what: String, setting: &'static str) -> Error {
        Error::TooLarge { url: self.url.clone(), what, setting }
    }

    fn disk(&self, error: &std::io::Error) -> Error {
        Error::disk(&self.url, self.folder, error)
    }
}

fn shortened(path: &BStr) -> String {
    path.chars().take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests;
