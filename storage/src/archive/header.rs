//! Tar headers without anything that differs from one machine or day to the next.

use std::io;

use bstr::BStr;
use tar::{EntryType, Header};

use super::plan::Item;
use crate::Mode;

/// The longest name, and the longest target of a link, that fits a header.
const NAME: usize = 100;
/// The length of all blocks of a tar.
const BLOCK: usize = 512;

/// Appends the header of an item, `contents` being the target if it is a link: one block, and before
/// it GNU's extra headers for a long name and a long target, in this order.
pub(super) fn write(item: &Item<'_>, contents: &BStr, out: &mut Vec<u8>) -> io::Result<()> {
    let (kind, mode, size) = match item.file {
        None => (EntryType::Directory, 0o750, 0),
        Some(file) => match file.mode {
            Mode::Executable => (EntryType::Regular, 0o700, file.size),
            Mode::Link | Mode::Symlink => (EntryType::Symlink, 0o777, 0),
            Mode::File | Mode::Directory => (EntryType::Regular, 0o600, file.size),
        },
    };
    let mut header = blank(kind, mode, size);
    put(&mut header.as_old_mut().name, item.path);
    long(EntryType::GNULongName, item.path, out);
    if kind == EntryType::Symlink {
        if contents.contains(&0) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a NUL byte in the target of a link"));
        }
        put(&mut header.as_old_mut().linkname, contents);
        long(EntryType::GNULongLink, contents, out);
    }
    push(header, out);
    Ok(())
}

/// How many bytes [`write()`] appends for a name, and a link's target of so many bytes.
pub(super) fn length(name: &BStr, target: u64) -> u64 {
    let extra = |length: u64| if length > NAME as u64 { BLOCK as u64 + (length + 1).next_multiple_of(BLOCK as u64) } else { 0 };
    extra(name.len() as u64) + extra(target) + BLOCK as u64
}

/// How many zeros follow contents of `size` bytes.
pub(super) fn padding(size: u64) -> usize {
    let over = size % BLOCK as u64;
    if over == 0 { 0 } else { BLOCK - usize::try_from(over).unwrap_or(0) }
}

fn blank(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// The extra header for a name or target that does not fit.
fn long(kind: EntryType, text: &BStr, out: &mut Vec<u8>) {
    if text.len() <= NAME {
        return;
    }
    let length = text.len() as u64 + 1;
    let mut header = blank(kind, 0o644, length);
    put(&mut header.as_old_mut().name, BStr::new("././@LongLink"));
    push(header, out);
    out.extend_from_slice(text);
    out.resize(out.len() + 1 + padding(length), 0);
}

/// The text as it is, whatever its bytes; cut off where the field ends.
fn put(field: &mut [u8; NAME], text: &BStr) {
    for (to, from) in field.iter_mut().zip(text.iter()) {
        *to = *from;
    }
}

fn push(mut header: Header, out: &mut Vec<u8>) {
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
}
