//! A fetched commit, read straight from the object database.

use std::io;
use std::sync::atomic::AtomicBool;

use bstr::{BString, ByteSlice as _};
use gix::ObjectId;
use gix::prelude::FindExt as _;
use headwater_storage::{Contents, Entry, Mode};

use super::{Error, Limits, tree};

/// The file whose rules say what stays out of an artifact.
const SOURCEIGNORE: &[u8] = b".sourceignore";
/// The most characters of a commit's subject that are shown.
const SUBJECT: usize = 50;

/// The tree of one commit. Reads from the scratch directory it was fetched into, which is removed after this is dropped, or from
/// the local repository where it is.
pub struct Checkout {
    repo: gix::ThreadSafeRepository,
    message: BString,
    entries: Vec<Entry>,
    url: String,
}

impl Checkout {
    /// Finds the commit and walks its tree.
    pub(super) fn new(
        url: String,
        repo: gix::ThreadSafeRepository,
        id: ObjectId,
        limits: Limits,
        interrupt: &AtomicBool,
    ) -> Result<Self, Error> {
        let objects = &repo.to_thread_local().objects;
        let mut buffer = Vec::new();
        let missing = || Error::CommitNotFound { id: id.to_string() };
        let commit = objects.find_commit(&id, &mut buffer).map_err(|_| missing())?;
        let (root, message) = (commit.tree(), commit.message.to_owned());
        let entries = tree::walk(objects, root, &url, limits, interrupt)?;
        Ok(Self { repo, message, entries, url })
    }

    /// The first line of the commit's message; of a longer one, the first 50 characters and three dots.
    pub fn commit_summary(&self) -> String {
        let subject = self.message.lines_with_terminator().next().unwrap_or_default();
        let subject = subject.strip_suffix(b"\n").unwrap_or(subject).to_str_lossy();
        if subject.chars().count() <= SUBJECT {
            return subject.into_owned();
        }
        subject.chars().take(SUBJECT).chain("...".chars()).collect()
    }

    /// Files, links and directories of the tree, a directory before what is in it. A submodule is an empty directory.
    ///
    /// # Errors
    /// None; the tree was checked when it was fetched.
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        Ok(self.entries.clone())
    }

    /// The contents of all `.sourceignore` files, each with its directory (empty for the root).
    ///
    /// # Errors
    /// [`Error::Corrupt`] when one cannot be read back.
    pub fn sourceignore(&self) -> Result<Vec<(BString, Vec<u8>)>, Error> {
        let mut read = self.reader();
        let mut files = Vec::new();
        for entry in self.entries.iter().filter(|entry| matches!(entry.mode, Mode::File | Mode::Executable)) {
            let (directory, name) = match entry.path.rsplit_once_str("/") {
                Some((directory, name)) => (directory, name),
                None => (&b""[..], entry.path.as_slice()),
            };
            if name == SOURCEIGNORE {
                let mut text = Vec::new();
                read(entry, &mut text).map_err(|err| Error::Corrupt { url: self.url.clone(), message: err.to_string() })?;
                files.push((directory.into(), text));
            }
        }
        Ok(files)
    }
}

impl Contents for Checkout {
    fn reader(&self) -> Box<dyn FnMut(&Entry, &mut Vec<u8>) -> io::Result<()> + '_> {
        let objects = self.repo.to_thread_local().objects;
        Box::new(move |entry, out| {
            let id = ObjectId::try_from(entry.id.as_slice()).map_err(io::Error::other)?;
            // Where Git packs a local repository meanwhile, the object may have moved during the first look.
            let mut look = || objects.find_blob(&id, out).map(drop);
            look().or_else(|_| look()).map_err(|err| io::Error::other(err.to_string()))
        })
    }
}
