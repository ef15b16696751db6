//! A fetched commit, read straight from the object database.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use bstr::{BStr, BString, ByteSlice as _};
use gix::ObjectId;
use gix::objs::{CommitRef, Kind};
use headwater_storage::{Contents, Entry, Reader};

use super::content::objects::Objects;
use super::obtain::Part;
use super::{Error, tree};

/// The most characters of a commit's subject that are shown.
const SUBJECT: usize = 50;
/// The length of the id of a file that Git LFS keeps, in bytes.
const SHA256: usize = 32;

/// The files of one commit, and of what belongs to it. Reads from mirrors, from the scratch directory that it was fetched into,
/// which is removed after this is dropped, and from local repositories where they are.
pub struct Checkout {
    pub(super) url: String,
    /// The commit's object.
    pub(super) commit: BString,
    /// The object of the annotated tag that leads to it.
    pub(super) tag: Option<BString>,
    pub(super) entries: Vec<Entry>,
    /// Repositories by where they belong; the first holds everything that is in no other.
    pub(super) parts: Vec<(BString, Part)>,
    /// Files that are in no repository.
    pub(super) written: HashMap<BString, Vec<u8>>,
    /// Where files are that Git LFS keeps, each named after its id in hexadecimal digits.
    pub(super) large: PathBuf,
}

impl Checkout {
    /// The first line of the commit's message; of a longer one, the first 50 characters and three dots.
    pub fn commit_summary(&self) -> String {
        let commit = CommitRef::from_bytes(&self.commit, gix::hash::Kind::Sha1);
        let message = commit.map(|commit| commit.message).unwrap_or_default();
        let subject = message.lines_with_terminator().next().unwrap_or_default();
        let subject = subject.strip_suffix(b"\n").unwrap_or(subject).to_str_lossy();
        if subject.chars().count() <= SUBJECT {
            return subject.into_owned();
        }
        subject.chars().take(SUBJECT).chain("...".chars()).collect()
    }

    /// The commit's object as its signature covers it, without Git's header.
    pub fn commit(&self) -> &[u8] {
        &self.commit
    }

    /// The object of the annotated tag that led to the commit, without Git's header.
    pub fn tag(&self) -> Option<&[u8]> {
        self.tag.as_ref().map(|tag| tag.as_slice())
    }

    /// Files, links and directories of the tree, a directory before what is in it. A submodule that was not fetched is an empty
    /// directory.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The contents of all `.sourceignore` files, each with its directory (empty for the root).
    ///
    /// # Errors
    /// [`Error::Corrupt`] when one cannot be read back.
    pub fn sourceignore(&self) -> Result<Vec<(BString, Vec<u8>)>, Error> {
        let found = headwater_storage::sourceignore(&self.entries, self.reader());
        found.map_err(|err| Error::Corrupt { url: self.url.clone(), message: err.to_string() })
    }

    /// Sees to it that nobody gets to see what mirrors hold of this again. True if they held some of it, so that fetching once more
    /// helps where reading failed with [`io::ErrorKind::InvalidData`].
    pub fn discard(&self) -> bool {
        // Each of them, not only the first.
        self.parts.iter().fold(false, |any, (_, part)| part.discard() || any)
    }
}

impl Contents for Checkout {
    fn reader(&self) -> Reader<'_> {
        let mounts: HashMap<&BStr, usize> = self.parts.iter().enumerate().skip(1).map(|(at, (mount, _))| (mount.as_bstr(), at)).collect();
        let mut open: HashMap<usize, Objects> = HashMap::new();
        Box::new(move |entry, out| {
            if let Some(text) = self.written.get(&entry.path) {
                out.extend_from_slice(text);
                return Ok(());
            }
            if entry.id.len() == SHA256 {
                let mut file = std::fs::File::open(self.large.join(hex::encode(&entry.id)))?;
                return io::Read::read_to_end(&mut file, out).map(drop);
            }
            let id = ObjectId::try_from(entry.id.as_slice()).map_err(io::Error::other)?;
            let mount = tree::above(entry.path.as_bstr()).find_map(|directory| mounts.get(directory));
            let at = mount.copied().unwrap_or_default();
            let Some((_, part)) = self.parts.get(at) else { return Err(io::Error::other("the entry is of no part")) };
            let objects = open.entry(at).or_insert_with(|| Objects::new(part, &self.url));
            objects.read(&id, Kind::Blob, out).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
        })
    }
}
