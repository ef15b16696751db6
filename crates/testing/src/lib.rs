//! Servers and fixtures for tests. The servers are the real ones where there are such: Git's `http-backend`, OpenSSH, the registry of
//! the Distribution project, kube-apiserver. They listen on loopback, misbehave on demand, and end with the value that started them.
//!
//! - Nothing here knows Headwater, so each crate of the workspace can test with it.
//! - A wrong use of a fixture, and a server that does not start, is a panic: the test fails.
//! - A program beside Rust and Git is looked for with [`needs!`]; where it is missing, that is said aloud and the test is skipped.
//! - Commits and keys are the same in every run.
//! - Processes are started by [`command()`], which counts them: see [`tally`].
#![warn(missing_docs)]
#![expect(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "clients of tests need no trust and no proxies")]

pub mod charts;
pub mod git;
pub mod go;
pub mod kubernetes;
pub mod needs;
pub mod noise;
pub mod port;
pub mod process;
pub mod proxy;
pub mod registry;
pub mod ssh;
pub mod tally;
pub mod tls;
pub mod tmpfs;
pub mod wait;
pub mod web;

pub use needs::loudly;
pub use noise::noise;
pub use tally::command;
pub use wait::{PATIENCE, eventually};
