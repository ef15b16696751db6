//! What tar says of an entry: in its own header, and in those before it that carry what does not fit.

use std::io::Read;

use bstr::{BString, ByteSlice};
use tar::EntryType;

use super::gunzip::Stop;

/// No extra header is longer, in bytes: room for any path that can be.
const LONGEST: u64 = 64 * 1024;

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    #[default]
    File,
    Executable,
    Link,
}

/// An entry; while it is read, what the extra headers said of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: Kind,
    pub path: BString,
    /// Of a link.
    pub target: BString,
    pub size: u64,
    /// The size by an extra header.
    said: Option<u64>,
}

impl Header {
    /// Reads a header. None if it is an extra one, which is kept for the next.
    pub(super) fn read(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<Option<Self>, Stop> {
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => once(&mut self.path, text(entry)?)?,
            EntryType::GNULongLink => once(&mut self.target, text(entry)?)?,
            EntryType::XHeader => self.records(&whole(entry)?)?,
            _ => return self.entry(entry, kind).map(Some),
        }
        Ok(None)
    }

    fn entry(&mut self, entry: &tar::Entry<'_, impl Read>, kind: EntryType) -> Result<Self, Stop> {
        let header = entry.header();
        let mut this = std::mem::take(self);
        if this.path.is_empty() {
            this.path = header.path_bytes().into_owned().into();
        }
        if kind == EntryType::Symlink && this.target.is_empty() {
            this.target = header.link_name_bytes().unwrap_or_default().into_owned().into();
        }
        let executable = header.mode()? & 0o100 != 0;
        this.kind = match kind {
            EntryType::Directory => Kind::Directory,
            EntryType::Regular if executable => Kind::Executable,
            EntryType::Regular => Kind::File,
            EntryType::Symlink if !this.target.is_empty() && !this.target.contains(&0) => Kind::Link,
            EntryType::Symlink => return Err(Stop::bad(format!("{:?} is a link to nothing", this.path))),
            other => return Err(Stop::bad(format!("{:?} is of the kind {:?}", this.path, char::from(other.as_byte())))),
        };
        this.size = header.entry_size()?;
        if this.said.is_some_and(|said| said != this.size) || (kind != EntryType::Regular && this.size > 0) {
            return Err(Stop::bad(format!("{:?} has a length that cannot be", this.path)));
        }
        Ok(this)
    }

    /// Reads the records of a pax header: `<length> <key>=<value>` and a newline each, where the
    /// length is that of all of it.
    fn records(&mut self, mut rest: &[u8]) -> Result<(), Stop> {
        while !rest.is_empty() {
            let bad = || Stop::bad("a bad extended header");
            let (record, after) = record(rest).ok_or_else(bad)?;
            rest = after;
            match record.split_once_str("=").ok_or_else(bad)? {
                (b"path", value) => once(&mut self.path, value.into())?,
                (b"linkpath", value) => once(&mut self.target, value.into())?,
                (b"size", value) => {
                    let size = value.to_str().ok().and_then(|text| text.parse().ok());
                    self.said = Some(size.ok_or_else(|| Stop::bad("a bad size in an extended header"))?);
                }
                (key, _) if key.starts_with(b"GNU.sparse") => return Err(Stop::bad("a sparse file")),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Splits the first record off: its `<key>=<value>`, and what comes after.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, _) = bytes.split_once_str(" ")?;
    let total: usize = length.to_str().ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(total)?;
    Some((record.get(length.len() + 1..)?.strip_suffix(b"\n")?, rest))
}

fn once(field: &mut BString, value: BString) -> Result<(), Stop> {
    if !field.is_empty() || value.is_empty() {
        return Err(Stop::bad("an extra header that is empty or comes twice"));
    }
    *field = value;
    Ok(())
}

/// A text that ends with NUL.
fn text(entry: &mut tar::Entry<'_, impl Read>) -> Result<BString, Stop> {
    let mut text = whole(entry)?;
    if text.last() == Some(&0) {
        text.pop();
    }
    Ok(text.into())
}

fn whole(entry: &mut tar::Entry<'_, impl Read>) -> Result<Vec<u8>, Stop> {
    let size = entry.header().entry_size()?;
    if size > LONGEST {
        return Err(Stop::bad("an extra header that is too long"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size {
        return Err(Stop::bad("it ends in the middle of a header"));
    }
    Ok(bytes)
}
