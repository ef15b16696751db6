//! The error of this crate.

use std::fmt;

/// Failure to issue credentials. The message holds no secret and begins with what was tried.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The same, as a part of something larger.
    pub(crate) fn within(self, what: impl fmt::Display) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}
