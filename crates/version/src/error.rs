//! Errors, and the bounds that some of them name.

/// Refusal of a version or of a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the form `[v]N[.N[.N]][-pre][+build]`, or a pre-release that is not one.
    #[error("invalid semantic version")]
    Version,
    /// A segment of a range is not a list of comparisons; the segment is named.
    #[error("improper constraint: {0:?}")]
    Improper(String),
    /// A comparison looks like one, but its version does not parse.
    #[error("constraint parser error")]
    Operand,
    /// The version has more than 256 bytes.
    #[error("version string is too long (max {VERSION_LENGTH} bytes)")]
    VersionTooLong,
    /// The range has more than 512 bytes.
    #[error("constraint string is too long (max {RANGE_LENGTH} bytes)")]
    RangeTooLong,
    /// The range has more than 32 alternatives.
    #[error("too many constraint groups (max {ALTERNATIVES})")]
    TooManyAlternatives,
}

/// The longest version, in bytes.
pub(crate) const VERSION_LENGTH: usize = 256;
/// The longest range, in bytes.
pub(crate) const RANGE_LENGTH: usize = 512;
/// The most alternatives of a range.
pub(crate) const ALTERNATIVES: usize = 32;
