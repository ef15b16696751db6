//! Files of which a tree holds pointers only, as Git LFS writes them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use bstr::{BStr, BString, ByteSlice as _};
use gix::ObjectId;
use gix::objs::Kind;
use headwater_storage::{Entry, Mode};

use super::lfs::{Attributes, Pointer, Wanted};
use super::objects::Objects;
use crate::{Error, tree};

/// No file that says something of others is longer, in bytes.
pub(super) const MAX_NOTE: u64 = 1 << 20;

/// What one part keeps elsewhere.
#[derive(Default)]
pub(super) struct Large {
    /// What to fetch, by full paths.
    pub(super) wanted: Vec<Wanted>,
    /// The entry of each.
    pub(super) entries: Vec<usize>,
    /// The part's own settings.
    pub(super) config: Option<Vec<u8>>,
}

/// Finds the pointers among the entries in `range`, which are those of the part at `mount`. `notes` are its `.gitattributes` and
/// settings.
pub(super) fn find(
    objects: &Objects,
    mount: &BStr,
    notes: &[(BString, ObjectId)],
    entries: &[Entry],
    range: Range<usize>,
    interrupt: &AtomicBool,
) -> Result<Large, Error> {
    let mut large = Large::default();
    let mut text = Vec::new();
    for at in range {
        let Some(entry) = entries.get(at).filter(|entry| matches!(entry.mode, Mode::File | Mode::Executable)) else { continue };
        let Ok(id) = ObjectId::try_from(entry.id.as_slice()) else { continue };
        if !(1..=Pointer::MAX).contains(&entry.size) {
            continue;
        }
        if interrupt.load(Ordering::Relaxed) {
            return Err(Error::Cancelled { url: objects.url().to_owned() });
        }
        objects.read(&id, Kind::Blob, &mut text)?;
        if let Some(pointer) = Pointer::parse(&text) {
            large.wanted.push(Wanted { path: entry.path.clone(), pointer });
            large.entries.push(at);
        }
    }
    if large.wanted.is_empty() {
        return Ok(large);
    }
    let mut attributes = Vec::new();
    for (path, id) in notes {
        let inside = within(mount, path.as_bstr());
        let (directory, name) = inside.rsplit_once_str("/").unwrap_or((b"", inside));
        match name {
            b".gitattributes" => attributes.push((BString::from(directory), note(objects, path.as_bstr(), id)?)),
            b".lfsconfig" if directory.is_empty() => large.config = Some(note(objects, path.as_bstr(), id)?),
            _ => {}
        }
    }
    let attributes = Attributes::new(attributes.iter().map(|(directory, text)| (directory.as_bstr(), text.as_slice())));
    let mut kept = Large { config: large.config, ..Large::default() };
    for (wanted, at) in large.wanted.into_iter().zip(large.entries) {
        if interrupt.load(Ordering::Relaxed) {
            return Err(Error::Cancelled { url: objects.url().to_owned() });
        }
        if attributes.is_lfs(within(mount, wanted.path.as_bstr())) {
            kept.wanted.push(wanted);
            kept.entries.push(at);
        }
    }
    Ok(kept)
}

/// Reads a file that says something of others.
pub(super) fn note(objects: &Objects, path: &BStr, id: &gix::oid) -> Result<Vec<u8>, Error> {
    if objects.size(id)? > MAX_NOTE {
        return Err(tree::bad(objects.url(), path, "the file is longer than 1 MiB"));
    }
    let mut text = Vec::new();
    objects.read(id, Kind::Blob, &mut text)?;
    Ok(text)
}

/// A full path, seen from the directory that the part is in.
fn within<'a>(mount: &BStr, path: &'a BStr) -> &'a BStr {
    if mount.is_empty() { path } else { path.get(mount.len() + 1..).unwrap_or_default().as_bstr() }
}
