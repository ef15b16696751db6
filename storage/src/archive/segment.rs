//! Turns a run of entries into deflated bytes.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use bstr::ByteSlice;
use flate2::{Compress, Compression, FlushCompress};

use super::{header, plan::Item};
use crate::{Entry, Error, Mode, Reader};

/// A deflated segment: whole bytes, no last block.
#[derive(Default)]
pub(super) struct Packed {
    pub bytes: Vec<u8>,
    /// Of what was deflated.
    pub crc: crc32fast::Hasher,
    /// Length of what was deflated.
    pub length: u64,
    /// BLAKE3 digest of the bytes.
    pub digest: [u8; 32],
}

impl Packed {
    fn sealed(self) -> Self {
        Self { digest: *blake3::hash(&self.bytes).as_bytes(), ..self }
    }

    fn push(&mut self, deflate: &mut Compress, input: &[u8], flush: FlushCompress) -> io::Result<()> {
        self.crc.update(input);
        self.length += input.len() as u64;
        let mut rest = input;
        loop {
            if self.bytes.capacity() - self.bytes.len() < ROOM {
                self.bytes.reserve(ROOM);
            }
            let before = deflate.total_in();
            deflate.compress_vec(rest, &mut self.bytes, flush).map_err(io::Error::other)?;
            let taken = usize::try_from(deflate.total_in() - before).map_err(io::Error::other)?;
            rest = &rest[taken..];
            // Room to spare says that nothing is held back.
            if rest.is_empty() && self.bytes.len() < self.bytes.capacity() {
                return Ok(());
            }
        }
    }
}

/// Deflates segments, one after the other, with buffers that it keeps.
pub(super) struct Packer {
    deflate: Compress,
    /// The header, and what pads the contents before it.
    header: Vec<u8>,
    contents: Vec<u8>,
}

/// Longer buffers are given back after use, in bytes.
const KEEP: usize = 1024 * 1024;
/// How much room the compressor is given at least, in bytes.
const ROOM: usize = 32 * 1024;

impl Packer {
    pub(super) fn new() -> Self {
        let deflate = Compress::new(Compression::new(6), false);
        Self { deflate, header: Vec::new(), contents: Vec::new() }
    }

    /// Packs entries, with their contents from `reader`; looks at `cancel` before each.
    pub(super) fn entries(&mut self, items: &[Item<'_>], reader: &mut Reader<'_>, cancel: &AtomicBool) -> Result<Packed, Error> {
        let mut packed = Packed::default();
        self.deflate.reset();
        for item in items {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            self.entry(item, reader, &mut packed).map_err(|source| Error::Contents { path: item.path.to_owned(), source })?;
        }
        let flushed = packed.push(&mut self.deflate, &[], FlushCompress::Full);
        let path = || items.last().map(|item| item.path.to_owned()).unwrap_or_default();
        flushed.map_err(|source| Error::Contents { path: path(), source })?;
        Ok(packed.sealed())
    }

    fn entry(&mut self, item: &Item<'_>, reader: &mut Reader<'_>, packed: &mut Packed) -> io::Result<()> {
        self.contents.clear();
        self.contents.shrink_to(KEEP);
        if let Some(file) = item.file {
            read(file, reader, &mut self.contents)?;
        }
        self.header.clear();
        header::write(item, self.contents.as_bstr(), &mut self.header)?;
        packed.push(&mut self.deflate, &self.header, FlushCompress::None)?;
        if item.file.is_some_and(|file| file.mode == Mode::Link) {
            return Ok(());
        }
        packed.push(&mut self.deflate, &self.contents, FlushCompress::None)?;
        let padding = header::padding(self.contents.len() as u64);
        packed.push(&mut self.deflate, &[0; 512][..padding], FlushCompress::None)
    }
}

fn read(file: &Entry, reader: &mut Reader<'_>, contents: &mut Vec<u8>) -> io::Result<()> {
    reader(file, contents)?;
    if contents.len() as u64 == file.size {
        return Ok(());
    }
    let text = format!("{} bytes instead of {}", contents.len(), file.size);
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// Packs plain bytes.
pub(super) fn plain(bytes: &[u8]) -> io::Result<Packed> {
    let mut packed = Packed::default();
    let mut deflate = Packer::new().deflate;
    packed.push(&mut deflate, bytes, FlushCompress::Full)?;
    Ok(packed.sealed())
}
