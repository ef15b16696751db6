//! The entries of a tar archive in gzip, one after the other, as Go's `archive/tar` gives them out.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, EntryType, Header};

use super::super::load::Budget;
use super::super::{Limits, Problem};

/// What Go says about bytes that are not gzip.
pub(super) const GZIP_HEADER: &str = "gzip: invalid header";
/// Bytes of a gzip header that are always there.
const GZIP_FIXED: usize = 10;
/// What Go says about a tar header that contradicts itself.
const TAR_HEADER: &str = "archive/tar: invalid tar header";
/// Longest name or set of extended attributes, in bytes; Go's own bound.
const MAX_SPECIAL: u64 = 1 << 20;

/// An entry that stands for something: a file, a folder, a link or a device.
pub(super) struct Entry<'a> {
    pub(super) name: String,
    /// Bytes of data, as the header says.
    pub(super) size: u64,
    /// When it was changed, in seconds since 1970.
    pub(super) seconds: i64,
    pub(super) is_folder: bool,
    data: &'a mut dyn Read,
}

impl Entry<'_> {
    /// The entry's data.
    pub(super) fn read(self) -> Result<Vec<u8>, Problem> {
        read_whole(self.data, self.size)
    }
}

/// What headers before an entry say about it.
#[derive(Default)]
struct Extended {
    long_name: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    seconds: Option<i64>,
}

/// The error for a chart that is larger unpacked than it may be.
pub(super) fn too_large(limits: &Limits) -> Problem {
    Problem::new(format!("decompressed chart is larger than the maximum size {}", limits.total))
}

/// Calls `each` for every entry. What is unpacked for it, whether anybody reads it or not, is taken off the budget before that.
pub(super) fn visit<'b>(
    bytes: &[u8],
    budget: &mut Budget<'b>,
    mut each: impl FnMut(Entry<'_>, &mut Budget<'b>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match bytes {
        [] => return Err(Problem::new("EOF")),
        _ if bytes.len() < GZIP_FIXED => return Err(Problem::new("unexpected EOF")),
        [0x1f, 0x8b, 8, ..] => {}
        _ => return Err(Problem::new(GZIP_HEADER)),
    }
    let mut archive = Archive::new(MultiGzDecoder::new(bytes));
    let mut extended = Extended::default();
    for entry in archive.entries().map_err(|error| broken(&error))?.raw(true) {
        let mut entry = entry.map_err(|error| broken(&error))?;
        let size = entry.size();
        let left = budget.entries.checked_sub(1);
        budget.entries = left.ok_or_else(|| Problem::new(format!("chart archive has more than {} entries", budget.limits.entries)))?;
        let kind = entry.header().entry_type();
        let special = kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions();
        if special && size > MAX_SPECIAL {
            return Err(Problem::new("archive/tar: header field too long"));
        }
        if special || kind.is_pax_global_extensions() {
            budget.bytes = budget.bytes.checked_sub(size).ok_or_else(|| too_large(budget.limits))?;
        }
        match kind {
            EntryType::XGlobalHeader | EntryType::GNULongLink => continue,
            EntryType::XHeader => {
                extended = Extended { long_name: extended.long_name, ..attributes(&read_whole(&mut entry, size)?)? };
                continue;
            }
            EntryType::GNULongName => {
                let name = read_whole(&mut entry, size)?;
                let name = name.split(|b| *b == 0).next().unwrap_or_default();
                extended.long_name = Some(String::from_utf8_lossy(name).into_owned()).filter(|name| !name.is_empty());
                continue;
            }
            EntryType::GNUSparse => return Err(Problem::new("chart illegally contains sparse files")),
            _ => {}
        }
        let header = entry.header().clone();
        let Extended { long_name, path, size: stated, seconds } = std::mem::take(&mut extended);
        if stated.is_some_and(|stated| stated != size) {
            return Err(Problem::new(TAR_HEADER));
        }
        let name = long_name.or(path).unwrap_or_else(|| String::from_utf8_lossy(&header.path_bytes()).into_owned());
        let is_folder = is_folder(&header, &name);
        if size > 0 && (is_folder || is_bare(kind)) {
            // The archive's next header may be inside the data or behind it, depending on who reads it.
            return Err(too_large(budget.limits));
        }
        let seconds = seconds.unwrap_or_else(|| header.mtime().ok().and_then(|time| i64::try_from(time).ok()).unwrap_or(0));
        each(Entry { name, size, seconds, is_folder, data: &mut entry }, budget)?;
    }
    Ok(())
}

/// Whether entries of this kind have no data in Go's eyes.
fn is_bare(kind: EntryType) -> bool {
    matches!(kind, EntryType::Link | EntryType::Symlink | EntryType::Char | EntryType::Block | EntryType::Fifo)
}

/// Whether the header is a folder's: by its type, by its mode, or in archives of old by its name.
fn is_folder(header: &Header, name: &str) -> bool {
    /// What is left of a folder's mode without permissions.
    const FOLDER: u32 = 0o40_000;
    header.entry_type().is_dir()
        || header.mode().is_ok_and(|mode| mode & !0o7777 == FOLDER)
        || (header.as_old().linkflag == [0] && name.ends_with('/'))
}

/// Reads exactly `size` bytes.
fn read_whole(data: &mut dyn Read, size: u64) -> Result<Vec<u8>, Problem> {
    /// What is set aside before the data has shown that it is there.
    const AT_FIRST: u64 = 64 << 10;
    let mut read = Vec::with_capacity(usize::try_from(size.min(AT_FIRST)).unwrap_or(0));
    data.take(size).read_to_end(&mut read).map_err(|error| broken(&error))?;
    if (read.len() as u64) < size {
        return Err(Problem::new("unexpected EOF"));
    }
    Ok(read)
}

/// Reads extended attributes: records of `LENGTH KEY=VALUE\n`.
fn attributes(mut records: &[u8]) -> Result<Extended, Problem> {
    let bad = || Problem::new(TAR_HEADER);
    let mut found = Extended::default();
    while !records.is_empty() {
        let space = records.iter().position(|b| *b == b' ').ok_or_else(bad)?;
        let length: usize = std::str::from_utf8(&records[..space]).ok().and_then(|digits| digits.parse().ok()).ok_or_else(bad)?;
        let record = records.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(bad)?;
        let equals = record.iter().position(|b| *b == b'=').filter(|at| *at > 0).ok_or_else(bad)?;
        let (key, value) = (&record[..equals], String::from_utf8_lossy(&record[equals + 1..]));
        records = &records[length..];
        if key.starts_with(b"GNU.sparse.") {
            return Err(Problem::new("chart illegally contains sparse files"));
        }
        if value.is_empty() {
            continue;
        }
        match key {
            b"path" if value.contains('\0') => return Err(bad()),
            b"path" => found.path = Some(value.into_owned()),
            b"size" => found.size = Some(value.parse().map_err(|_| bad())?),
            b"mtime" => {
                let whole = value.split('.').next().unwrap_or_default();
                found.seconds = Some(whole.parse().map_err(|_| bad())?);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// What Go says about an archive that cannot be read.
fn broken(error: &io::Error) -> Problem {
    let text = error.to_string();
    let said = if error.kind() == io::ErrorKind::UnexpectedEof
        || ["unexpected EOF", "failed to read entire block"].iter().any(|said| text.contains(said))
    {
        "unexpected EOF"
    } else if text.contains("checksum") && text.contains("gzip") {
        "gzip: invalid checksum"
    } else if text.contains("gzip header") {
        GZIP_HEADER
    } else if text.contains("deflate") {
        "flate: corrupt input"
    } else {
        TAR_HEADER
    };
    Problem::new(said)
}
