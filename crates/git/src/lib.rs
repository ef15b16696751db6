//! Git over HTTP, HTTPS and SSH: [`resolve()`] asks a remote for the commit of a reference, [`fetch()`] gets just that commit, as a
//! tree. Where it is allowed, a repository on this machine is read in place instead. [`verify`] checks signatures of commits and tags.
//!
//! - Nothing waits beyond [`Remote::deadline`]. When the future of a pass is dropped, its network and disk work stops at its next wait
//!   or object.
//! - Nothing is read without a bound of [`Limits`].
//! - Credentials go to the scheme, host and port of [`Remote::url`] and nowhere else; no error text holds one.
//! - A mirror serves nobody who did not just ask the remote with the credentials that it was fetched with.
//! - No program is started: neither Git's, nor a hook, a filter or a credential helper.
#![warn(missing_docs)]

mod access;
mod checkout;
mod content;
mod error;
mod http;
mod local;
mod mirror;
mod obtain;
mod pack;
mod reference;
mod remote;
mod resolve;
mod session;
mod ssh;
mod supervise;
#[cfg(test)]
mod tests;
mod transport;
mod tree;
pub mod verify;
mod wire;

pub use access::{Algorithms, Ssh};
pub use checkout::Checkout;
pub use content::{Content, Lfs, Submodules, Symlinks, fetch};
pub use error::Error;
pub use mirror::{Budget, Mirrors};
pub use reference::{Head, Reference, Tag};
pub use remote::{Limits, LocalRepositories, Remote};
pub use resolve::resolve;
