//! The storage as its callers see it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod archive;
mod failure;
mod golden;
mod retention;
mod tree;
