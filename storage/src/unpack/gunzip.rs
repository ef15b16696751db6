//! Inflating within bounds.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    sync::atomic::{AtomicBool, Ordering},
};

use flate2::bufread::GzDecoder;

/// Why unpacking ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The archive is not what it should be.
    Bad(String),
    Read(io::Error),
    Scratch(io::Error),
    Limit {
        what: &'static str,
        limit: u64,
    },
    Cancelled,
}

impl Stop {
    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self::Bad(reason.into())
    }
}

/// Of the tar reader, and of what it passes on.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::bad(error.to_string())
    }
}

/// Reads a file; says why not by the side.
struct Watched<'a> {
    file: File,
    stop: &'a Cell<Option<Stop>>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                let again = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
                self.stop.set(Some(Stop::Read(again)));
            }
        })
    }
}

/// The tar in an archive, up to a length.
pub(super) struct Gunzip<'a> {
    inner: GzDecoder<BufReader<Watched<'a>>>,
    left: u64,
    limit: u64,
    cancel: &'a AtomicBool,
    stop: &'a Cell<Option<Stop>>,
}

impl<'a> Gunzip<'a> {
    pub(super) fn new(file: File, limit: u64, cancel: &'a AtomicBool, stop: &'a Cell<Option<Stop>>) -> Self {
        let inner = GzDecoder::new(BufReader::with_capacity(64 * 1024, Watched { file, stop }));
        Self { inner, left: limit, limit, cancel, stop }
    }

    /// Reads what comes after the tar: the rest of its last block, and the checksum of it all.
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        io::copy(&mut self, &mut io::sink())?;
        if self.inner.into_inner().fill_buf()?.is_empty() { Ok(()) } else { Err(Stop::bad("bytes after its end")) }
    }

    fn give_up(&self, stop: Stop) -> io::Error {
        self.stop.set(Some(stop));
        io::Error::other("given up")
    }
}

impl Read for Gunzip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(self.give_up(Stop::Cancelled));
        }
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(self.give_up(Stop::Limit { what: "bytes", limit: self.limit })),
        }
        Ok(read)
    }
}
