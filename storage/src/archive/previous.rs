//! Segments of an artifact that was stored before.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use super::{
    plan::Item,
    recipe::Recipe,
    segment::Packed,
    sidecar::{self, Record},
};

/// An artifact to copy segments from. It stays readable when it is removed or replaced meanwhile.
pub(crate) struct Previous {
    file: File,
    records: HashMap<Recipe, Record>,
}

impl Previous {
    /// Opens an artifact and its sidecar. None if there is nothing that could be used.
    pub(crate) fn open(artifact: &Path, sidecar: &Path) -> Option<Self> {
        let file = open(artifact).ok()?;
        let mut bytes = Vec::new();
        open(sidecar).ok()?.take(sidecar::LONGEST).read_to_end(&mut bytes).ok()?;
        let records = sidecar::decode(&bytes, file.metadata().ok()?.len())?;
        Some(Self { file, records })
    }

    /// The segment that was made of the same recipe, unless it is not there or damaged.
    pub(super) fn copy(&self, recipe: &Recipe, items: &[Item<'_>]) -> Option<Packed> {
        let record = self.records.get(recipe)?;
        let plain = items.iter().map(Item::length).fold(0, u64::saturating_add);
        if plain != record.plain {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(record.length).ok()?];
        self.file.read_exact_at(&mut bytes, record.offset).ok()?;
        if blake3::hash(&bytes) != record.digest {
            return None;
        }
        let crc = crc32fast::Hasher::new_with_initial_len(record.crc, record.plain);
        Some(Packed { bytes, crc, length: record.plain, digest: record.digest })
    }
}

/// Opens a regular file; not one that a link leads to.
fn open(path: &Path) -> io::Result<File> {
    if !path.symlink_metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    File::open(path)
}
