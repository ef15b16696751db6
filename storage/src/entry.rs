//! What goes into an archive.

use std::io;

use bstr::BString;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A directory. An empty one, such as the place of a submodule, is kept.
    Directory,
    /// A file, stored with mode 0600.
    File,
    /// A file that can be run, stored with mode 0700.
    Executable,
    /// A symbolic link. It is never part of an archive, but the directory it is in exists.
    Symlink,
}

/// One file, directory or link of the tree to archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative path with slashes between its parts. No part is empty, `.` or `..`.
    pub path: BString,
    /// What it is.
    pub mode: Mode,
    /// Names the contents: equal ids, equal contents (a Git object id, for instance). Decides where
    /// the archive is cut into segments. Empty for directories.
    pub id: Vec<u8>,
    /// Length of the contents, in bytes. Ignored for directories and links.
    pub size: u64,
}

/// Fills an empty buffer with the contents of an entry that is a file: exactly [`Entry::size`] bytes.
pub type Reader<'a> = Box<dyn FnMut(&Entry, &mut Vec<u8>) -> io::Result<()> + 'a>;

/// Where the contents of entries come from.
///
/// `reader` is called once in each worker thread that has something to read.
pub trait Contents: Sync {
    /// A reader for the thread that asks.
    fn reader(&self) -> Reader<'_>;
}
