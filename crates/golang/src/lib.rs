//! Functions of Go's standard library, with exactly Go's output.
//!
//! Flux, Helm and Kubernetes are written in Go. Their users compare messages, digests and files byte by byte, so what these print and take must be
//! what Go prints and takes. Each function here is compared with a table that Go itself has written (`tests/golden/`, Go 1.26).
//!
//! - Nothing here does I/O, and nothing panics, whatever the input.
//! - Texts are UTF-8; only [`filepath::Pattern`] takes any bytes.
//! - Where a function is known to take more than Go does, its comment says so.
#![warn(missing_docs)]

pub mod bool;
pub mod filepath;
pub mod float;
pub mod json;
mod quote;
#[cfg(feature = "regexp")]
pub mod regexp;
pub mod size;
pub mod time;
pub mod unicode;

pub use quote::quote;
