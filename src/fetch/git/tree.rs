//! Walking a tree of the object database with every name and bound checked.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use bstr::{BStr, BString, ByteSlice as _};
use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::prelude::{FindExt as _, HeaderExt as _};
use gix::validate::path::component;
use headwater_storage::{Entry, Mode};

use super::{Error, Limits};

/// Directories within directories beyond this are refused.
const MAX_DEPTH: usize = 512;
/// The longest path, in bytes; what the kernel takes.
const MAX_PATH: usize = 4096;

/// What must hold of a name whatever the system: no way out of the tree, and nothing that any file system takes for `.git`.
const RULES: component::Options = component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };

/// Lists the tree `root`, a directory before what is in it.
pub(super) fn walk(
    objects: &gix::OdbHandle,
    root: ObjectId,
    url: &str,
    limits: Limits,
    interrupt: &AtomicBool,
) -> Result<Vec<Entry>, Error> {
    let mut walk = Walk { objects, url, limits, entries: Vec::new(), bytes: 0 };
    let mut open = vec![(BString::default(), root, 0)];
    let mut buffer = Vec::new();
    while let Some((directory, id, depth)) = open.pop() {
        if interrupt.load(Ordering::Relaxed) {
            return Err(Error::Cancelled { url: url.to_owned() });
        }
        if depth > MAX_DEPTH {
            return Err(walk.bad(directory.as_bstr(), &format!("more than {MAX_DEPTH} directories deep")));
        }
        walk.directory(&directory, id, depth, &mut buffer, &mut open)?;
    }
    Ok(walk.entries)
}

struct Walk<'a> {
    objects: &'a gix::OdbHandle,
    url: &'a str,
    limits: Limits,
    entries: Vec<Entry>,
    bytes: u64,
}

impl Walk<'_> {
    fn directory(
        &mut self,
        directory: &BString,
        id: ObjectId,
        depth: usize,
        buffer: &mut Vec<u8>,
        open: &mut Vec<(BString, ObjectId, usize)>,
    ) -> Result<(), Error> {
        let objects = self.objects;
        let tree = objects.find_tree(&id, buffer).map_err(|_| self.bad(directory.as_bstr(), "the tree is not there"))?;
        let mut seen = HashSet::with_capacity(tree.entries.len());
        for entry in &tree.entries {
            let kind = entry.mode.kind();
            let path = self.path(directory, entry.filename, kind)?;
            if !seen.insert(entry.filename) {
                return Err(self.bad(path.as_bstr(), "the name is there twice"));
            }
            let (mode, size) = match kind {
                EntryKind::Tree => {
                    open.push((path.clone(), entry.oid.to_owned(), depth + 1));
                    (Mode::Directory, 0)
                }
                EntryKind::Commit => (Mode::Directory, 0),
                EntryKind::Blob => (Mode::File, self.size(&path, entry.oid)?),
                EntryKind::BlobExecutable => (Mode::Executable, self.size(&path, entry.oid)?),
                EntryKind::Link => (Mode::Symlink, 0),
            };
            let id = if mode == Mode::Directory { Vec::new() } else { entry.oid.as_bytes().to_vec() };
            self.entries.push(Entry { path, mode, id, size });
            if self.entries.len() as u64 > self.limits.entries {
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

    fn size(&mut self, path: &BString, id: &gix::oid) -> Result<u64, Error> {
        let header = self.objects.header(id).map_err(|_| self.bad(path.as_bstr(), "the file's contents are not there"))?;
        let size = header.size();
        if size > self.limits.blob_size {
            return Err(self.too_large(format!("the file {path:?}"), "git-max-blob-size"));
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.tree_size {
            return Err(self.too_large("the tree".into(), "git-max-tree-size"));
        }
        Ok(size)
    }

    fn bad(&self, path: &BStr, why: &str) -> Error {
        let path = path.chars().take(256).collect();
        Error::BadTree { url: self.url.to_owned(), path, why: why.to_owned() }
    }

    fn too_large(&self, what: String, setting: &'static str) -> Error {
        Error::TooLarge { url: self.url.to_owned(), what, setting }
    }
}
