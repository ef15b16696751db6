//! Where the body of an answer goes, inflated and bounded.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not at all.
    Identity,
    /// By gzip.
    Gzip,
}

/// Where a body goes.
pub(super) enum Sink<W: Write> {
    Plain(Limited<W>),
    Gzip(Box<MultiGzDecoder<Limited<W>>>),
}

impl<W: Write> Sink<W> {
    /// To `to`, at most `limit` bytes of what there is once it is inflated.
    pub(super) fn new(to: W, limit: u64, encoding: Encoding) -> Self {
        let limited = Limited { to, left: limit, over: false, failed: false };
        match encoding {
            Encoding::Identity => Self::Plain(limited),
            Encoding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(limited))),
        }
    }

    /// Takes the next bytes.
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.write_all(bytes),
            Self::Gzip(to) => to.write_all(bytes),
        }
    }

    /// There are no more.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Gzip(to) => to.try_finish(),
        }
    }

    /// Whether what it goes to could not take it.
    pub(super) fn has_failed(&self) -> bool {
        match self {
            Self::Plain(to) => to.failed,
            Self::Gzip(to) => to.get_ref().failed,
        }
    }

    /// Whether there were more than the limit.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Plain(to) => to.over,
            Self::Gzip(to) => to.get_ref().over,
        }
    }
}

/// Takes no more than so many bytes.
pub(super) struct Limited<W> {
    to: W,
    left: u64,
    over: bool,
    failed: bool,
}

impl<W: Write> Write for Limited<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        if length > self.left {
            self.over = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.to.write(bytes).inspect_err(|_| self.failed = true)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
