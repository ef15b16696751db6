//! Credentials that a provider issues for a Git repository or a registry of artifacts, for a short while.
//!
//! [`credentials`] are for Git: the key of a GitHub App becomes an installation token, a workload identity a Microsoft Entra token for Azure
//! DevOps, or a signed password for CodeCommit. [`registry_credentials`] are the user and the password of a registry of AWS, Azure or Google.
//!
//! - An exchange with a provider takes ten seconds at most, and reads 64 KiB of an answer at most.
//! - Issued credentials are kept in a [`Cache`] and given again while they are good for some time yet, but never to another identity, and never
//!   for requests that take another route.
//! - No error and no `Debug` holds a key, a token or a password.
#![warn(missing_docs)]

mod account;
mod answer;
mod aws;
mod azure;
mod cache;
mod environment;
mod error;
mod gcp;
mod github;
mod issue;
mod jwt;
mod registry;
#[cfg(test)]
mod tests;
mod token_file;

pub use account::{Account, AccountError};
pub use cache::{Cache, Counts, Events, Object};
pub use environment::Environment;
pub use error::Error;
pub use github::{App, Misfit};
pub use issue::{Issued, Provider, Request, credentials};
pub use registry::{Registrar, registry_credentials};
