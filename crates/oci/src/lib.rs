//! Registries, as the OCI Distribution Specification 1.1 has them: a client that reads, [`Registry`]. [`cosign`] checks the signatures
//! that cosign leaves in them, [`docker_config`] reads the credentials that Docker keeps.
//!
//! - Every answer is bounded in size, every list in its length, every silence in time; the caller's deadline ends a call by dropping it.
//! - Content that has a digest is checked against it.
//! - Credentials are sent to the registry's own origin, and to the token endpoint that it names, and nowhere else.
//! - No error repeats credentials or tokens, or a long text of a server.
#![warn(missing_docs)]

mod blob;
mod challenge;
pub mod cosign;
mod credentials;
mod digest;
pub mod docker_config;
mod error;
mod index;
mod link;
mod manifest;
pub mod reference;
mod registry;
mod send;
#[cfg(test)]
mod tests;
mod token;

pub use credentials::Credentials;
pub use digest::Digest;
pub use error::{Error, Place, describe_json_error};
pub use manifest::{Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, Image, Index, Manifest};
pub use reference::Reference;
pub use registry::{Limits, Registry, Scheme};
