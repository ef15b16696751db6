//! The embedded API server as clients see it: over HTTP, with bad input and bad luck.

mod access;
mod api;
mod crash;
mod garbage;
mod input;
mod many;
mod objects;
mod refusals;
mod standalone;
mod watching;
mod writers;
