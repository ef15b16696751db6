//! Tests of the embedded API over HTTP: bad input, many clients and promises to objects.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod garbage;
mod input;
mod many;
mod objects;
mod support;
mod watching;
mod writers;
