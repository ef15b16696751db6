//! YAML exactly as Go's `sigs.k8s.io/yaml` reads and writes it.
//!
//! [`Events`] reads a stream step by step, in memory that does not grow with it; [`parse`] and its kin make a value of a text,
//! [`documents()`] and [`strict_documents`] make several, [`print()`] writes one. What a value may
//! cost is bounded by [`Limits`], and errors have upstream's words.
//!
//! Helm charts are packaged from values that went through that library, and whoever compares their digests notices every byte:
//! which words are booleans, which numbers lose their last digits, how keys are sorted, which strings are quoted, where long lines are
//! broken. So reading makes of a text what that library makes of it (YAML 1.1 through JSON), and [`print()`] writes a value as it does.

mod budget;
mod cursor;
mod decode;
mod documents;
mod emit;
mod error;
mod events;
mod float;
mod input;
mod order;
mod print;
mod replay;
mod scalar;
mod scanner;
mod style;
#[cfg(test)]
mod tests;
mod timestamp;
mod tree;

use serde_json::Value;

use decode::{Keys, Numbers};
pub use documents::{Document, Fault, StrictDocuments, documents, parse_map, strict_documents};
pub use error::{Error, InputError, Problem};
pub use events::{Event, Events};
pub use print::print;
pub use replay::{Meaning, Replay, Step};
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
    decode::decode(text, limits, Numbers::Floats, Keys::LastWins).map(|document| document.value)
}

/// As [`parse`], but numbers stay what they are (`1.0` a float, 20240101123456789 with all its digits), as where upstream reads into
/// typed fields.
pub fn parse_typed(text: &[u8], limits: Limits) -> Result<Value, Error> {
    decode::decode(text, limits, Numbers::Typed, Keys::LastWins).map(|document| document.value)
}

/// Reads the first document as `yaml.YAMLToJSON` does: whole numbers keep all their digits, and floats that are whole become whole
/// numbers (`1.0` is 1).
pub fn parse_exact(text: &[u8], limits: Limits) -> Result<Value, Error> {
    decode::decode(text, limits, Numbers::Exact, Keys::LastWins).map(|document| document.value)
}

/// As [`parse_exact`], but equal keys in a map are an error, as in `yaml.YAMLToJSONStrict`, which takes merged keys for keys of the map.
///
/// # Errors
/// [`Error::Repeated`] if nothing else is wrong.
pub fn parse_strict(text: &[u8], limits: Limits) -> Result<Value, Error> {
    decode::decode(text, limits, Numbers::Exact, Keys::Strict).map(|document| document.value)
}
