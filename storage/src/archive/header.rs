//! Tar headers without anything that differs from one machine or day to the next.

use bstr::BStr;
use tar::{EntryType, Header};

use super::plan::Item;
use crate::Mode;

/// The longest name that fits a header.
const NAME: usize = 100;
/// The length of all blocks of a tar.
const BLOCK: usize = 512;

/// Appends the header of an item: one block, or for a long name GNU's extra header with the name,
/// and then the block.
pub(super) fn write(item: &Item<'_>, out: &mut Vec<u8>) {
    let name = item.path;
    if name.len() > NAME {
        let mut long = blank(EntryType::GNULongName, 0o644, name.len() as u64 + 1);
        put_name(&mut long, BStr::new("././@LongLink"));
        push(long, out);
        out.extend_from_slice(name);
        out.resize(out.len() + 1 + padding(name.len() as u64 + 1), 0);
    }
    let (kind, mode, size) = match item.file {
        None => (EntryType::Directory, 0o750, 0),
        Some(file) if file.mode == Mode::Executable => (EntryType::Regular, 0o700, file.size),
        Some(file) => (EntryType::Regular, 0o600, file.size),
    };
    let mut header = blank(kind, mode, size);
    put_name(&mut header, name);
    push(header, out);
}

/// How many bytes [`write()`] appends for a name.
pub(super) fn length(name: &BStr) -> u64 {
    let blocks = if name.len() > NAME { 2 + (name.len() + 1).div_ceil(BLOCK) } else { 1 };
    (blocks * BLOCK) as u64
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

/// The name as it is, whatever its bytes; cut off where the header ends.
fn put_name(header: &mut Header, name: &BStr) {
    for (to, from) in header.as_old_mut().name.iter_mut().zip(name.iter()) {
        *to = *from;
    }
}

fn push(mut header: Header, out: &mut Vec<u8>) {
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
}
