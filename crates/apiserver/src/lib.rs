//! An embedded Kubernetes API: what controllers and kubectl need, over a database in a folder or in memory.
//!
//! - A write that was answered is on disk, and never half there.
//! - Every write is computed from the state that it replaces.
//! - Objects are completed, validated and merged as a real API server does it, with its words.
//! - A request for something that the server does not have is refused with a message that says so.
//! - Nothing is read from a request without a bound, and nothing here knows which kinds are reconciled.
#![warn(missing_docs)]

mod admit;
mod builtin;
mod collect;
mod custom;
mod delete;
mod discovery;
mod fields;
mod handle;
mod kind;
mod kinds;
mod object;
mod openapi;
mod patch;
mod protobuf;
mod read;
mod refusal;
mod request;
mod schema;
mod selector;
mod server;
mod store;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod view;
mod watch;
mod write;

pub use server::{ApiServer, StartError};
pub use store::{OpenError, Place};
