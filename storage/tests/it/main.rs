//! The storage as its callers see it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod archive;
mod failure;
mod files;
mod golden;
mod incremental;
mod links;
mod passes;
mod retention;
mod tree;
