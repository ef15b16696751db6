//! Fetchers: from a place upstream to a tree that storage can archive.
//!
//! Invariant: fetchers speak of URLs, credentials and revisions, never of Kubernetes objects; each has its own error type.

use std::fmt::Write as _;

pub mod auth;
pub mod git;
pub mod helm;
pub mod oci;
pub mod verify;

/// The lower-case hexadecimal digits of `bytes`.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
