//! Fetchers: from a place upstream to a tree that storage can archive.
//!
//! Invariant: fetchers speak of URLs, credentials and revisions, never of Kubernetes objects; each has its own error type.

pub mod auth;
pub mod git;
pub mod helm;
pub mod oci;
pub mod verify;
