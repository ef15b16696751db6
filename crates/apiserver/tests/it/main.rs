//! Tests of the embedded API over HTTP: bad input, many clients, promises to objects, and answers compared with those of a real server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod conformance;
mod garbage;
mod input;
mod many;
mod objects;
mod support;
mod watching;
mod writers;
