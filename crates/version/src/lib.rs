//! Versions and version ranges with the semantics of Masterminds/semver v3, on which every published Flux object relies.
//!
//! - [`Range::matches`] answers what the Go library answers; where SemVer and the library differ, the library wins.
//! - Errors have the words of the library, and name the segment of a range that is wrong.
//! - The length of a text is bounded before it is read: 256 bytes for a version, 512 for a range, which has at most 32 alternatives.
//! - Of tags that are equal as versions, [`newest_tag`] takes one that depends on the names alone.
//! - Nothing here does I/O, and nothing panics, whatever the input.
#![warn(missing_docs)]

mod error;
mod range;
#[cfg(test)]
mod tests;
mod version;

pub use error::Error;
pub use range::Range;
pub use version::{Version, newest_tag};
