//! Walking a tree of the object database with every name and bound checked.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use bstr::{BStr, BString, ByteSlice as _};
use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::objs::{Kind, TreeRef};
use gix::validate::path::component;
use headwater_storage::{Entry, Mode};

use super::content::objects::Objects;
use super::content::paths::Paths;
use super::{Error, Limits};

/// Directories within directories beyond this are refused.
const MAX_DEPTH: usize = 512;
/// The longest path, in bytes; what the kernel takes.
const MAX_PATH: usize = 4096;
/// Files that say something of others.
const NOTES: [&[u8]; 3] = [b".gitmodules", b".gitattributes", b".lfsconfig"];

/// What must hold of a name whatever the system: no way out of the tree, and nothing that any file system takes for `.git`.
const RULES: component::Options = component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };

/// Whether the contents of files are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// They are, so that their sizes can be looked at.
    There,
    /// They are fetched later; sizes are 0 until then.
    Later,
}

/// A tree, and what of it to list.
pub(super) struct Walk<'a> {
    pub(super) objects: &'a Objects,
    /// Bounds; what other trees took already is taken off.
    pub(super) limits: Limits,
    /// What all paths begin with; empty, or a directory without a slash at the end.
    pub(super) mount: &'a BStr,
    pub(super) paths: &'a Paths,
    pub(super) contents: Contents,
    pub(super) interrupt: &'a AtomicBool,
}

/// What is in a tree.
#[derive(Default)]
pub(super) struct Listing {
    /// A directory comes before what is in it.
    pub(super) entries: Vec<Entry>,
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// Commits of other repositories, each a directory of `entries` as well.
    pub(super) commits: Vec<(BString, ObjectId)>,
    /// `.gitmodules`, `.gitattributes` and `.lfsconfig` files of all directories that were looked into, listed or not.
    pub(super) notes: Vec<(BString, ObjectId)>,
}

/// A directory that is still to be read.
struct Open {
    path: BString,
    id: ObjectId,
    depth: usize,
}

impl Walk<'_> {
    /// Lists `root`.
    pub(super) fn list(&self, root: ObjectId) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let depth = if self.mount.is_empty() { 0 } else { self.mount.split_str("/").count() };
        let mut open = vec![Open { path: self.mount.to_owned(), id: root, depth }];
        let mut buffer = Vec::new();
        while let Some(directory) = open.pop() {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(Error::Cancelled { url: self.objects.url().to_owned() });
            }
            if directory.depth > MAX_DEPTH {
                return Err(self.bad(directory.path.as_bstr(), &format!("more than {MAX_DEPTH} directories deep")));
            }
            self.directory(&directory, &mut buffer, &mut open, &mut listing)?;
        }
        if !self.paths.is_all() {
            remove_empty(&mut listing);
        }
        Ok(listing)
    }

    fn directory(&self, directory: &Open, buffer: &mut Vec<u8>, open: &mut Vec<Open>, listing: &mut Listing) -> Result<(), Error> {
        let path = directory.path.as_bstr();
        self.objects.read(&directory.id, Kind::Tree, buffer).map_err(|_| self.missing(path, "the tree is not there"))?;
        let tree = TreeRef::from_bytes(buffer, gix::hash::Kind::Sha1).map_err(|_| self.bad(path, "the tree cannot be read"))?;
        let mut seen = HashSet::with_capacity(tree.entries.len());
        for entry in &tree.entries {
            let kind = entry.mode.kind();
            let path = self.path(&directory.path, entry.filename, kind)?;
            if !seen.insert(entry.filename) {
                return Err(self.bad(path.as_bstr(), "the name is there twice"));
            }
            let file = matches!(kind, EntryKind::Blob | EntryKind::BlobExecutable);
            if file && NOTES.contains(&entry.filename.as_bytes()) {
                listing.notes.push((path.clone(), entry.oid.to_owned()));
            }
            let wanted = if kind == EntryKind::Tree { self.paths.lead_into(path.as_bstr()) } else { self.paths.hold(path.as_bstr()) };
            if !wanted {
                continue;
            }
            let size = if file && self.contents == Contents::There { self.size(&path, entry.oid, listing)? } else { 0 };
            let mode = match kind {
                EntryKind::Tree => {
                    open.push(Open { path: path.clone(), id: entry.oid.to_owned(), depth: directory.depth + 1 });
                    Mode::Directory
                }
                EntryKind::Commit => {
                    listing.commits.push((path.clone(), entry.oid.to_owned()));
                    Mode::Directory
                }
                EntryKind::Blob => Mode::File,
                EntryKind::BlobExecutable => Mode::Executable,
                EntryKind::Link => Mode::Symlink,
            };
            let id = if mode == Mode::Directory { Vec::new() } else { entry.oid.as_bytes().to_vec() };
            listing.entries.push(Entry { path, mode, id, size });
            if listing.entries.len() as u64 > self.limits.entries {
                return Err(self.too_large("the tree".into(), "git-max-entries"));
            }
        }
        Ok(())
    }

    /// The path of `name` in `directory`, if it may be one.
    fn path(&self, directory: &BString, name: &BStr, kind: EntryKind) -> Result<BString, Error> {
        let mut path = directory.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if name.contains(&0) {
            return Err(self.bad(path.as_bstr(), "a NUL in the name"));
        }
        if path.len() > MAX_PATH {
            return Err(self.bad(path.as_bstr(), "the path is too long"));
        }
        let mode = (kind == EntryKind::Link).then_some(component::Mode::Symlink);
        gix::validate::path::component(name, mode, RULES).map_err(|err| self.bad(path.as_bstr(), &err.to_string()))?;
        Ok(path)
    }

    fn size(&self, path: &BString, id: &gix::oid, listing: &mut Listing) -> Result<u64, Error> {
        let size = self.objects.size(id).map_err(|_| self.missing(path.as_bstr(), "the file's contents are not there"))?;
        if size > self.limits.blob_size {
            return Err(self.too_large(format!("the file {path:?}"), "git-max-blob-size"));
        }
        listing.bytes = listing.bytes.saturating_add(size);
        if listing.bytes > self.limits.tree_size {
            return Err(self.too_large("the tree".into(), "git-max-tree-size"));
        }
        Ok(size)
    }

    fn bad(&self, path: &BStr, why: &str) -> Error {
        bad(self.objects.url(), path, why)
    }

    /// An object that was promised cannot be read, or is no longer what it was.
    fn missing(&self, path: &BStr, what: &str) -> Error {
        let path: String = path.chars().take(256).collect();
        Error::Corrupt { url: self.objects.url().to_owned(), message: format!("{path:?}: {what}") }
    }

    fn too_large(&self, what: String, setting: &'static str) -> Error {
        Error::TooLarge { url: self.objects.url().to_owned(), what, setting }
    }
}

/// An entry that cannot be had.
pub(super) fn bad(url: &str, path: &BStr, why: &str) -> Error {
    let path = path.chars().take(256).collect();
    Error::BadTree { url: url.to_owned(), path, why: why.to_owned() }
}

/// All directories that `path` is in, the innermost first.
pub(super) fn above(path: &BStr) -> impl Iterator<Item = &BStr> {
    std::iter::successors(path.rfind_byte(b'/'), |end| path[..*end].rfind_byte(b'/')).map(move |end| path[..end].as_bstr())
}

/// Removes directories that nothing is in; a place for another repository counts as something.
fn remove_empty(listing: &mut Listing) {
    let files = listing.entries.iter().filter(|entry| entry.mode != Mode::Directory).map(|entry| &entry.path);
    let mut used: HashSet<BString> = listing.commits.iter().map(|(path, _)| path.clone()).collect();
    for path in files.chain(listing.commits.iter().map(|(path, _)| path)) {
        for directory in above(path.as_bstr()) {
            if !used.insert(directory.to_owned()) {
                break;
            }
        }
    }
    listing.entries.retain(|entry| entry.mode != Mode::Directory || used.contains(&entry.path));
}
