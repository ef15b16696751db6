//! YAML exactly as Go's `sigs.k8s.io/yaml` reads and writes it.
//!
//! [`Events`] reads a stream step by step, in memory that does not grow with it; [`parse`], [`parse_exact`], [`parse_strict`] and
//! [`documents`] make values of a text, [`print()`] writes one. All that is read has a bound ([`Limits`]), and errors have upstream's words.
//!
//! Helm charts are packaged from values that went through that library, and whoever compares their digests notices every byte:
//! which words are booleans, which numbers lose their last digits, how keys are sorted, which strings are quoted, where long lines are
//! broken. So reading makes of a text what that library makes of it (YAML 1.1 through JSON), and [`print()`] writes a value as it does.

mod budget;
mod cursor;
mod decode;
mod emit;
mod error;
mod events;
mod float;
mod input;
mod order;
mod print;
mod scalar;
mod scanner;
mod style;
#[cfg(test)]
mod tests;
mod timestamp;
mod tree;

use serde_json::Value;

use decode::{Keys, Numbers};
pub use error::{Error, InputError};
pub use events::{Event, Events};
pub use float::text_of;
pub use print::print;
pub use scalar::{Scalar, resolve, resolve_tagged};

/// What a text may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The text's size, in bytes.
    pub bytes: usize,
    /// How deep lists and maps may nest, aliases expanded; more than 200 counts as 200.
    pub depth: usize,
    /// How many values there may be (each key is one too), aliases expanded.
    pub nodes: usize,
}

/// Reads the first document as `yaml.Unmarshal` does into an untyped value: all numbers become floats of 64 bits (and are given here as
/// whole numbers where they are whole and fit), of two equal keys the last counts, an empty text is null.
pub fn parse(text: &[u8], limits: Limits) -> Result<Value, Error> {
    decode::decode(text, limits, Numbers::Floats, Keys::LastWins)
}

/// As [`parse`], but numbers stay what they are (`1.0` a float, 20240101123456789 with all its digits), as where upstream reads into
/// typed fields. [`text_of`] gives what a field of type string takes from such a number.
pub fn parse_exact(text: &[u8], limits: Limits) -> Result<Value, Error> {
    decode::decode(text, limits, Numbers::Exact, Keys::LastWins)
}

/// As [`parse_exact`], but equal keys in a map are an error, as in `yaml.UnmarshalStrict`.
pub fn parse_strict(text: &[u8], limits: Limits) -> Result<Value, Error> {
    decode::decode(text, limits, Numbers::Exact, Keys::Distinct)
}

/// Reads all documents of a values file, cut as Helm does it: at lines that begin with `---`. Each is a map; an empty one is an empty map.
///
/// The limits hold for the whole text.
pub fn documents(text: &[u8], limits: Limits) -> Result<Vec<Value>, Error> {
    if text.len() > limits.bytes {
        return Err(Error::TooLarge(limits.bytes));
    }
    let mut found = Vec::new();
    let mut document = Vec::new();
    let mut left = limits.nodes;
    let mut read = |document: &[u8]| -> Result<(), Error> {
        let (value, nodes) = decode::decode_counted(document, Limits { nodes: left, ..limits }, Numbers::Floats, Keys::LastWins)?;
        left = left.saturating_sub(nodes);
        found.push(as_map(value)?);
        Ok(())
    };
    for line in lines(text) {
        if let Some(rest) = line.strip_prefix(b"---") {
            let rest = String::from_utf8_lossy(rest);
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(Error::Separator(rest.to_owned()));
            }
            if !document.is_empty() {
                read(&std::mem::take(&mut document))?;
                continue;
            }
        }
        document.extend_from_slice(line);
        document.push(b'\n');
    }
    if !document.is_empty() {
        read(&document)?;
    }
    Ok(found)
}

/// The text's lines without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    })
}

/// What Go's JSON makes of a value that is read into a map.
fn as_map(value: Value) -> Result<Value, Error> {
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        Value::Array(_) => Err(Error::NoMap("array")),
        Value::String(_) => Err(Error::NoMap("string")),
        Value::Number(_) => Err(Error::NoMap("number")),
        Value::Bool(_) => Err(Error::NoMap("bool")),
    }
}
