//! Artifacts on disk: reproducible archives, reading them back, digests, ignore rules and retention.
//!
//! What holds everywhere in this crate:
//!
//! - An artifact appears under its name complete and synced, or not at all.
//! - The bytes of an archive depend on the entries and the ignore rules alone: not on the order in
//!   which the entries arrive, on the number of threads, or on what was stored before: segments that
//!   did not change are copied from there, and are the same bytes.
//! - Beside an artifact lie hidden files, which are hints: a sidecar that says what its segments were
//!   made of, and one whose time says when the object's last good pass ended. Losing them costs time.
//! - No name that a caller gives leads out of the storage's root, and no name in an archive is used
//!   as a path.
#![warn(missing_docs)]

mod archive;
mod digest;
mod entry;
mod error;
mod ignore;
mod location;
mod store;
mod unpack;

pub use digest::{Algorithm, Digest};
pub use entry::{Contents, Entry, Mode, Reader};
pub use error::Error;
pub use ignore::{Ignore, sourceignore};
pub use location::Location;
pub use store::{Options, Retention, Storage, Stored};
pub use unpack::{Limits, Unpacked, path::joined};
