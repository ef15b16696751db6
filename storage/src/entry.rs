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
    /// A symbolic link that is left out. The directory it is in exists.
    Symlink,
    /// A symbolic link that is kept, stored with mode 0777. Its contents are the target, 1 to 4095
    /// bytes without NUL. Nothing here looks at where it leads.
    Link,
}

/// One file, directory or link of the tree to archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative path with slashes between its parts. No part is empty, `.` or `..`.
    pub path: BString,
    /// What it is.
    pub mode: Mode,
    /// Names the contents: equal ids and sizes, equal contents (a Git object id, for instance). It
    /// must be of the bytes that [`Contents`] gives, not of a file that stands for them: it decides
    /// where the archive is cut into segments, and whether a segment can be copied from the artifact
    /// before. What has no id is always read. Empty for directories.
    pub id: Vec<u8>,
    /// Length of the contents, in bytes. Ignored for directories and for links that are left out.
    pub size: u64,
}

/// Fills an empty buffer with the contents of a file, or the target of a link: exactly [`Entry::size`] bytes.
pub type Reader<'a> = Box<dyn FnMut(&Entry, &mut Vec<u8>) -> io::Result<()> + 'a>;

/// Where the contents of entries come from.
///
/// `reader` is called once in each worker thread that has something to read.
pub trait Contents: Sync {
    /// A reader for the thread that asks.
    fn reader(&self) -> Reader<'_>;
}
