//! Artifacts on disk: reproducible archives, digests, ignore rules and retention.
//!
//! What holds everywhere in this crate:
//!
//! - An artifact appears under its name complete and synced, or not at all.
//! - The bytes of an archive depend on the entries and the ignore rules alone: not on the order in
//!   which the entries arrive, on the number of threads, or on what was stored before.
//! - No name that a caller gives leads out of the storage's root.
#![warn(missing_docs)]

mod archive;
mod digest;
mod entry;
mod error;
mod ignore;
mod location;
mod store;

pub use digest::{Algorithm, Digest};
pub use entry::{Contents, Entry, Mode, Reader};
pub use error::Error;
pub use ignore::Ignore;
pub use location::Location;
pub use store::{Options, Retention, Storage, Stored};
