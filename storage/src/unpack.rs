//! Reading a stored archive back.
//!
//! `gunzip` inflates within bounds, `headers` makes entries of tar's blocks, and what is in the
//! files goes one after the other into a scratch file without a name. Nothing that an archive says is
//! used as a path, and nothing is left when the last owner is gone, even by a kill.

mod gunzip;
mod headers;
pub(crate) mod path;
#[cfg(test)]
mod tests;

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::AtomicBool,
};

use bstr::{BStr, BString, ByteSlice};

use crate::{Contents, Digest, Entry, Error, Location, Mode, Reader, Storage};
use gunzip::{Gunzip, Stop};
use headers::{Header, Kind};

/// What may be in an archive that is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole tar, with headers, and with what is not taken.
    pub bytes: u64,
    /// Headers in the whole tar.
    pub entries: u64,
    /// Bytes of one file that is taken.
    pub file: u64,
}

/// What was taken from an archive. The contents are in a file that vanishes with this.
#[derive(Debug)]
pub struct Unpacked {
    entries: Vec<Entry>,
    contents: File,
    /// Where the contents begin, by their id.
    offsets: HashMap<Vec<u8>, u64>,
}

impl Unpacked {
    /// The entries in the archive's order, relative to the folder that was asked for: directories
    /// (the folder itself is none of them), files, and links as [`Mode::Link`], which a caller has to
    /// look at: they may lead out of the folder. The id of a file or link is the BLAKE3 digest of its
    /// contents, 32 bytes.
    ///
    /// If a file was asked for, there is only that, with an empty path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether a file was asked for, not a folder.
    pub fn is_file(&self) -> bool {
        matches!(self.entries.as_slice(), [entry] if entry.path.is_empty())
    }

    /// Whether the contents of that id are here.
    pub fn holds(&self, id: &[u8]) -> bool {
        self.offsets.contains_key(id)
    }
}

/// Contents are found by [`Entry::id`] and [`Entry::size`], so entries may be given other paths.
impl Contents for Unpacked {
    fn reader(&self) -> Reader<'_> {
        Box::new(|entry, out| {
            let offset = self.offsets.get(&entry.id).ok_or(io::ErrorKind::NotFound)?;
            out.resize(usize::try_from(entry.size).map_err(io::Error::other)?, 0);
            self.contents.read_exact_at(out, *offset)
        })
    }
}

impl Storage {
    /// Reads a stored archive back: what is at or below `from`, or all of it if that is empty or `.`.
    /// `..` leads no further up than the archive's root, and links lead nowhere.
    ///
    /// With a `digest`, the artifact is compared to it before anything is unpacked. The contents go
    /// to a file without a name in the folder `scratch`, which has to have room for them.
    ///
    /// Archives are those that this crate or Flux's own controllers write: one gzip member with
    /// folders, files and symbolic links, each once. All else is refused.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no such artifact, [`Error::NotInArchive`] if there is nothing at
    /// `from`, [`Error::Mismatch`], [`Error::Archive`], [`Error::Limit`], [`Error::Read`],
    /// [`Error::Scratch`], [`Error::Cancelled`].
    pub fn unpack(
        &self,
        at: &Location,
        digest: Option<&Digest>,
        from: &BStr,
        scratch: &Path,
        limits: Limits,
        cancel: &AtomicBool,
    ) -> Result<Unpacked, Error> {
        let path = self.file(at);
        if !self.exists(at) {
            return Err(Error::Missing { path });
        }
        if let Some(digest) = digest {
            self.verify(at, digest)?;
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Err(Error::Missing { path }),
            Err(source) => return Err(Error::Read { path, source }),
        };
        let stop = Cell::new(None);
        let mut unpacker = Unpacker::new(path::joined(from), scratch, limits)?;
        match unpacker.all(Gunzip::new(file, limits.bytes, cancel, &stop)) {
            Ok(()) => unpacker.finish(),
            // The tar reader hides why it was given no more.
            Err(reason) => Err(match stop.take().unwrap_or(reason) {
                Stop::Bad(reason) => Error::Archive { path, reason },
                Stop::Read(source) => Error::Read { path, source },
                Stop::Scratch(source) => Error::Scratch { path: scratch.to_owned(), source },
                Stop::Limit { what, limit } => Error::Limit { path, limit, what },
                Stop::Cancelled => Error::Cancelled,
            }),
        }
    }
}

/// An archive on its way to becoming [`Unpacked`].
struct Unpacker {
    from: BString,
    limits: Limits,
    unpacked: Unpacked,
    /// How much of the scratch file is in use.
    end: u64,
    buffer: Vec<u8>,
    /// Whether the folder that was asked for is there.
    folder: bool,
    /// Paths that were taken.
    taken: HashSet<BString>,
}

impl Unpacker {
    fn new(from: BString, scratch: &Path, limits: Limits) -> Result<Self, Error> {
        let contents = tempfile::tempfile_in(scratch).map_err(|source| Error::Scratch { path: scratch.to_owned(), source })?;
        let unpacked = Unpacked { entries: Vec::new(), contents, offsets: HashMap::new() };
        let folder = from.is_empty();
        Ok(Self { from, limits, unpacked, end: 0, buffer: vec![0; 64 * 1024], folder, taken: HashSet::new() })
    }

    fn all(&mut self, gunzip: Gunzip<'_>) -> Result<(), Stop> {
        let mut archive = tar::Archive::new(gunzip);
        let mut headers = Header::default();
        let mut count = 0;
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            count += 1;
            if count > self.limits.entries {
                return Err(Stop::Limit { what: "entries", limit: self.limits.entries });
            }
            if let Some(header) = headers.read(&mut entry)? {
                self.take(&header, &mut entry)?;
            }
        }
        if headers != Header::default() {
            return Err(Stop::bad("it ends after an extra header"));
        }
        if self.folder && self.taken.contains(BStr::new("")) {
            return Err(Stop::bad(format!("{:?} is a file and a folder", self.from)));
        }
        archive.into_inner().finish()
    }

    /// Takes an entry if it is at or below the place that was asked for.
    fn take(&mut self, header: &Header, data: &mut impl Read) -> Result<(), Stop> {
        let path = path::checked(header.path.as_bstr())?;
        let Some(path) = path::below(path.as_bstr(), self.from.as_bstr()).map(BStr::to_owned) else {
            return Ok(());
        };
        let mode = match header.kind {
            Kind::Directory => Mode::Directory,
            Kind::File => Mode::File,
            Kind::Executable => Mode::Executable,
            Kind::Link => Mode::Link,
        };
        let at_root = path.is_empty();
        if at_root && mode == Mode::Directory {
            self.folder = true;
            return Ok(());
        }
        // A link is not followed, so nothing is there.
        if at_root && mode == Mode::Link {
            return Ok(());
        }
        if !self.taken.insert(path.clone()) {
            return Err(Stop::bad(format!("{path:?} is in it twice")));
        }
        self.folder |= !at_root;
        let (id, size) = match mode {
            Mode::Directory => (Vec::new(), 0),
            Mode::Link => self.keep(&mut header.target.as_slice(), header.target.len() as u64)?,
            _ => self.keep(data, header.size)?,
        };
        self.unpacked.entries.push(Entry { path, mode, id, size });
        Ok(())
    }

    /// Puts contents into the scratch file, unless the same are there. Answers their id and length.
    fn keep(&mut self, data: &mut impl Read, size: u64) -> Result<(Vec<u8>, u64), Stop> {
        if size > self.limits.file {
            return Err(Stop::Limit { what: "bytes in a file", limit: self.limits.file });
        }
        let mut hasher = blake3::Hasher::new();
        let mut length = 0;
        loop {
            let read = match data.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => &self.buffer[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            hasher.update(read);
            self.unpacked.contents.write_all_at(read, self.end + length).map_err(Stop::Scratch)?;
            length += read.len() as u64;
        }
        if length != size {
            return Err(Stop::bad("it ends in the middle of a file"));
        }
        let id = hasher.finalize().as_bytes().to_vec();
        if let std::collections::hash_map::Entry::Vacant(new) = self.unpacked.offsets.entry(id.clone()) {
            new.insert(self.end);
            self.end += length;
        }
        Ok((id, size))
    }

    fn finish(self) -> Result<Unpacked, Error> {
        if self.folder || self.unpacked.is_file() { Ok(self.unpacked) } else { Err(Error::NotInArchive { from: self.from }) }
    }
}
