//! From the bytes of a stream to text, block by block: UTF-8, or UTF-16 where a byte order mark says so.

use std::io::{self, BufRead, ErrorKind};

/// The bytes that are decoded at a time. Upstream decodes as many: a fault of the encoding is found before a fault of the syntax in the
/// same block, and after one in an earlier block.
const BLOCK: usize = 512;

/// The reason that there is no text any more.
pub(super) enum Fault {
    Input(io::Error),
    /// What upstream complains of.
    Text(&'static str),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16(fn([u8; 2]) -> u16),
}

/// A stream that is decoded.
pub(super) struct Input<'r> {
    reader: Box<dyn BufRead + 'r>,
    encoding: Option<Encoding>,
    /// The bytes that were read but not decoded.
    raw: Vec<u8>,
    ended: bool,
}

/// The characters that a block gives, or why the byte behind them gives none.
struct Decoded {
    /// The bytes that were used.
    used: usize,
    /// Nothing is wrong, or only the character's rest is missing.
    fault: Option<&'static str>,
}

impl<'r> Input<'r> {
    pub(super) fn new(reader: impl BufRead + 'r) -> Self {
        Self { reader: Box::new(reader), encoding: None, raw: Vec::with_capacity(BLOCK), ended: false }
    }

    /// Appends a block's text, which may be empty, or what comes before a fault; false behind the end of the stream.
    pub(super) fn read(&mut self, to: &mut String) -> Result<bool, Fault> {
        if self.ended {
            return Ok(false);
        }
        self.fill()?;
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None => self.detect()?,
        };
        let from = to.len();
        let Decoded { used, fault } = match encoding {
            Encoding::Utf8 => decode_utf8(&self.raw, to),
            Encoding::Utf16(unit) => decode_utf16(&self.raw, unit, to),
        };
        let is_plain = to[from..].bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'));
        if !is_plain && let Some(at) = to[from..].find(|c| !is_allowed(c)) {
            to.truncate(from + at);
            return Err(Fault::Text("control characters are not allowed"));
        }
        self.raw.drain(..used);
        match fault {
            Some(fault) => Err(Fault::Text(fault)),
            None if self.ended && !self.raw.is_empty() => Err(Fault::Text(match (encoding, self.raw.len()) {
                (Encoding::Utf8, _) => "incomplete UTF-8 octet sequence",
                (Encoding::Utf16(_), 1) => "incomplete UTF-16 character",
                (Encoding::Utf16(_), _) => "incomplete UTF-16 surrogate pair",
            })),
            None => Ok(true),
        }
    }

    /// Reads bytes up to a block, as many as the reader has at hand.
    fn fill(&mut self) -> io::Result<()> {
        let bytes = loop {
            match self.reader.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let count = bytes.len().min(BLOCK - self.raw.len());
        self.raw.extend_from_slice(&bytes[..count]);
        self.reader.consume(count);
        self.ended = count == 0;
        Ok(())
    }

    /// Takes the byte order mark from the beginning.
    fn detect(&mut self) -> io::Result<Encoding> {
        while self.raw.len() < 3 && !self.ended {
            self.fill()?;
        }
        let (length, encoding) = match self.raw.as_slice() {
            [0xff, 0xfe, ..] => (2, Encoding::Utf16(u16::from_le_bytes)),
            [0xfe, 0xff, ..] => (2, Encoding::Utf16(u16::from_be_bytes)),
            [0xef, 0xbb, 0xbf, ..] => (3, Encoding::Utf8),
            _ => (0, Encoding::Utf8),
        };
        self.raw.drain(..length);
        self.encoding = Some(encoding);
        Ok(encoding)
    }
}

/// The characters that YAML 1.1 allows.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

fn decode_utf8(raw: &[u8], to: &mut String) -> Decoded {
    let used = match str::from_utf8(raw) {
        Ok(text) => {
            to.push_str(text);
            return Decoded { used: raw.len(), fault: None };
        }
        Err(error) => error.valid_up_to(),
    };
    let (valid, rest) = raw.split_at(used);
    to.push_str(str::from_utf8(valid).unwrap_or_default());
    Decoded { used, fault: utf8_fault(rest) }
}

/// What upstream complains of at bytes that are no character; none if there are too few to say.
fn utf8_fault(bytes: &[u8]) -> Option<&'static str> {
    let (first, rest) = bytes.split_first()?;
    let (width, lead) = match first {
        0xc0..=0xdf => (2, first & 0x1f),
        0xe0..=0xef => (3, first & 0x0f),
        0xf0..=0xf7 => (4, first & 0x07),
        _ => return Some("invalid leading UTF-8 octet"),
    };
    let rest = rest.get(..width - 1)?;
    if rest.iter().any(|byte| byte & 0xc0 != 0x80) {
        return Some("invalid trailing UTF-8 octet");
    }
    let code = rest.iter().fold(u32::from(lead), |code, byte| (code << 6) + u32::from(byte & 0x3f));
    let least = [0x80, 0x800, 0x1_0000][width - 2];
    Some(if code < least { "invalid length of a UTF-8 sequence" } else { "invalid Unicode character" })
}

fn decode_utf16(raw: &[u8], unit: fn([u8; 2]) -> u16, to: &mut String) -> Decoded {
    let (pairs, _) = raw.as_chunks::<2>();
    let mut used = 0;
    for c in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match c {
            Ok(c) => {
                to.push(c);
                used += 2 * c.len_utf16();
            }
            Err(error) => {
                let fault = match error.unpaired_surrogate() {
                    0xdc00.. => Some("unexpected low surrogate area"),
                    _ if raw.len() - used < 4 => None,
                    _ => Some("expected low surrogate area"),
                };
                return Decoded { used, fault };
            }
        }
    }
    Decoded { used, fault: None }
}
