//! Several documents in a text, cut as kubectl and Helm cut them: at lines that begin with `---`. A document ends at `...`, too, and what
//! stands behind that is not looked at.

use serde_json::{Map, Value};

use super::Limits;
use super::decode::{Decoded, Keys, Numbers, decode};
use super::error::{Error, Problem};

/// Reads all documents of a values file. Each is a map; an empty one is an empty map.
///
/// The limits hold for the whole text.
pub fn documents(text: &[u8], limits: Limits) -> Result<Vec<Value>, Error> {
    if text.len() > limits.bytes {
        return Err(Error::TooLarge(limits.bytes));
    }
    let mut left = limits.nodes;
    Pieces::of(text)
        .map(|piece| {
            let read = decode(&piece?.text, Limits { nodes: left, ..limits }, Numbers::Floats, Keys::LastWins)?;
            left = left.saturating_sub(read.count);
            as_map(read.value).map(Value::Object)
        })
        .collect()
}

/// Reads the first document as [`super::parse`], into a map; null is an empty one.
///
/// # Errors
/// [`Error::NoMap`] for any other value.
pub fn parse_map(text: &[u8], limits: Limits) -> Result<Map<String, Value>, Error> {
    as_map(super::parse(text, limits)?)
}

fn as_map(value: Value) -> Result<Map<String, Value>, Error> {
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        Value::Array(_) => Err(Error::NoMap("array")),
        Value::String(_) => Err(Error::NoMap("string")),
        Value::Number(_) => Err(Error::NoMap("number")),
        Value::Bool(_) => Err(Error::NoMap("bool")),
    }
}

/// A document and its place in a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The line in which its value begins, from 1; for an empty document the line in which that begins.
    pub line: usize,
    /// Its value; null for an empty document.
    pub value: Value,
}

/// Why a text with several documents could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct Fault {
    /// The line of the text that is wrong, from 1.
    pub line: usize,
    /// What is wrong; lines in it are counted from the document's beginning, as upstream does.
    pub error: Error,
}

/// The documents of a text, read one after the other; nothing comes behind a [`Fault`].
pub struct StrictDocuments<'t> {
    pieces: Pieces<'t>,
    limits: Limits,
    /// What is wrong with the text as a whole.
    fault: Option<Fault>,
}

/// Reads the documents of a text as kubectl reads manifests, each as [`super::parse_exact`], but refuses maps that have a key twice. (A key
/// may replace one that was merged.)
///
/// The limits hold for the whole text.
pub fn strict_documents(text: &[u8], limits: Limits) -> StrictDocuments<'_> {
    let fault = (text.len() > limits.bytes).then_some(Fault { line: 1, error: Error::TooLarge(limits.bytes) });
    StrictDocuments { pieces: Pieces::of(text), limits, fault }
}

impl StrictDocuments<'_> {
    fn read(&mut self, piece: Result<Piece, Error>, line: usize) -> Result<Document, Fault> {
        let piece = piece.map_err(|error| Fault { line, error })?;
        let read = decode(&piece.text, self.limits, Numbers::Exact, Keys::Distinct).map_err(|error| {
            // A text that ends too early is wrong in its last line.
            Fault { line: piece.line + error.line().unwrap_or(1).min(piece.lines), error }
        })?;
        let Decoded { value, line, count } = read;
        self.limits.nodes = self.limits.nodes.saturating_sub(count);
        Ok(Document { line: piece.line + line + 1, value })
    }
}

impl Iterator for StrictDocuments<'_> {
    type Item = Result<Document, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = if let Some(fault) = self.fault.take() {
            Err(fault)
        } else {
            let piece = self.pieces.next()?;
            self.read(piece, self.pieces.line)
        };
        if read.is_err() {
            self.pieces = Pieces::of(b"");
        }
        Some(read)
    }
}

/// The parts of a text that are documents by themselves.
struct Pieces<'t> {
    rest: &'t [u8],
    /// The lines that were passed.
    line: usize,
}

struct Piece {
    /// The lines before it.
    line: usize,
    /// Its own lines.
    lines: usize,
    text: Vec<u8>,
}

impl<'t> Pieces<'t> {
    fn of(text: &'t [u8]) -> Self {
        Self { rest: text, line: 0 }
    }

    /// The next line without its end.
    fn next_line(&mut self) -> Option<&[u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let (line, rest) = match end {
            None if self.rest.is_empty() => return None,
            None => (self.rest, &b""[..]),
            Some(end) => {
                let line = &self.rest[..end];
                (line.strip_suffix(b"\r").unwrap_or(line), &self.rest[end + 1..])
            }
        };
        self.rest = rest;
        self.line += 1;
        Some(line)
    }
}

impl Iterator for Pieces<'_> {
    type Item = Result<Piece, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Piece { line: self.line, lines: 0, text: Vec::new() };
        while let Some(line) = self.next_line() {
            if let Some(rest) = line.strip_prefix(b"---") {
                let rest = String::from_utf8_lossy(rest);
                let rest = rest.trim();
                if !rest.is_empty() && !rest.starts_with('#') {
                    let problem = Problem::new(rest).outlined("more than a comment behind ---");
                    return Some(Err(Error::Separator(problem)));
                }
                if !piece.text.is_empty() {
                    return Some(Ok(piece));
                }
            }
            piece.text.extend_from_slice(line);
            piece.text.push(b'\n');
            piece.lines += 1;
        }
        (!piece.text.is_empty()).then_some(Ok(piece))
    }
}
