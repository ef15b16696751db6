//! The order of an archive, and where it is cut.

use std::{cmp::Ordering, ops::Range};

use bstr::{BStr, ByteSlice};

use super::header;
use crate::{Entry, Error, Ignore, Mode};

/// The mean length of a segment, in bytes of tar.
const MEAN: u64 = 512 * 1024;
/// No segment is longer than this, in bytes of tar, unless it is of one entry.
const LONGEST: u64 = 8 * 1024 * 1024;

/// The longest target of a link, in bytes: what a file system takes.
const LONGEST_TARGET: u64 = 4095;

/// An entry of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// The path in the archive; `.` for the root.
    pub path: &'a BStr,
    /// The file or link; none for a directory.
    pub file: Option<&'a Entry>,
}

impl Item<'_> {
    /// Bytes in the tar: headers, contents and padding.
    pub(super) fn length(&self) -> u64 {
        match self.file {
            None => header::length(self.path, 0),
            Some(file) if file.mode == Mode::Link => header::length(self.path, file.size),
            Some(file) => header::length(self.path, 0).saturating_add(file.size.saturating_add(511) / 512 * 512),
        }
    }

    /// Whether the segment ends after this entry: by its contents alone, as likely as it is long.
    fn cuts(&self) -> bool {
        let Some(file) = self.file.filter(|file| !file.id.is_empty()) else {
            return false;
        };
        let number = file.id.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        number % MEAN < self.length()
    }
}

/// Orders the entries, fills in the directories that are missing, and leaves out what is ignored
/// and the links that are not kept. The root comes first, then each directory followed by what is in it, names in
/// the order of their bytes.
pub(super) fn items<'a>(entries: &'a [Entry], ignore: &Ignore) -> Result<Vec<Item<'a>>, Error> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| by_parts(a.path.as_bstr(), b.path.as_bstr()));

    let root = Item { path: BStr::new("."), file: None };
    let mut walk = Walk { ignore, items: vec![root], before: None };
    for entry in sorted {
        let refuse = |reason| Error::Entry { path: entry.path.clone(), reason };
        check(entry.path.as_bstr()).map_err(refuse)?;
        walk.parents(entry).map_err(refuse)?;
        walk.entry(entry).map_err(refuse)?;
        walk.before = Some(entry);
    }
    Ok(walk.items)
}

/// Makes items of sorted entries.
struct Walk<'a, 'i> {
    ignore: &'i Ignore,
    items: Vec<Item<'a>>,
    /// The entry before, ignored or not.
    before: Option<&'a Entry>,
}

impl<'a> Walk<'a, '_> {
    /// Adds the directories above an entry that no entry before was, or was below of.
    fn parents(&mut self, entry: &'a Entry) -> Result<(), &'static str> {
        for slash in entry.path.find_iter("/") {
            let parent = entry.path[..slash].as_bstr();
            match self.before {
                Some(before) if before.path == parent && before.mode != Mode::Directory => {
                    return Err("below something that is no directory");
                }
                Some(before) if before.path == parent || is_below(&before.path, parent) => {}
                _ => self.push(parent, None),
            }
        }
        Ok(())
    }

    /// Adds the entry itself. Only a directory may be given twice.
    fn entry(&mut self, entry: &'a Entry) -> Result<(), &'static str> {
        let path = entry.path.as_bstr();
        match (entry.mode, self.before.filter(|before| before.path == path)) {
            (Mode::Directory, Some(before)) if before.mode == Mode::Directory => {}
            (_, Some(_)) => return Err("given twice"),
            (Mode::Directory, None) => self.push(path, None),
            (Mode::Link, None) if !(1..=LONGEST_TARGET).contains(&entry.size) => return Err("the target of a link is empty or too long"),
            (Mode::File | Mode::Executable | Mode::Link, None) => self.push(path, Some(entry)),
            (Mode::Symlink, None) => {}
        }
        Ok(())
    }

    fn push(&mut self, path: &'a BStr, file: Option<&'a Entry>) {
        if !self.ignore.is_ignored(path, file.is_none()) {
            self.items.push(Item { path, file });
        }
    }
}

/// Cuts the items into segments.
pub(super) fn segments(items: &[Item<'_>]) -> Vec<Range<usize>> {
    let mut segments = Vec::new();
    let (mut start, mut length) = (0, 0u64);
    for (at, item) in items.iter().enumerate() {
        let more = item.length();
        if start < at && length.saturating_add(more) > LONGEST {
            segments.push(start..at);
            (start, length) = (at, 0);
        }
        length = length.saturating_add(more);
        if item.cuts() {
            segments.push(start..at + 1);
            (start, length) = (at + 1, 0);
        }
    }
    if start < items.len() {
        segments.push(start..items.len());
    }
    segments
}

fn check(path: &BStr) -> Result<(), &'static str> {
    if path.contains(&0) {
        return Err("a NUL byte in the path");
    }
    if path.split_str("/").any(|part| matches!(part, b"" | b"." | b"..")) {
        return Err("an empty part, `.` or `..` in the path");
    }
    Ok(())
}

/// Compares part by part: a directory's contents come before its next sibling.
fn by_parts(a: &BStr, b: &BStr) -> Ordering {
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    a.iter().map(rank).cmp(b.iter().map(rank))
}

fn is_below(path: &[u8], parent: &[u8]) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.first() == Some(&b'/'))
}
