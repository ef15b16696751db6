//! Digests that tell secrets apart without holding them.

use sha2::{Digest as _, Sha256};

/// A SHA-256 over parts, each of which is there or not; no two lists of parts have the same encoding.
///
/// The encoding never changes: names on disk are made of it.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds a part, or that it is missing.
    pub fn add(&mut self, part: Option<&[u8]>) -> &mut Self {
        self.0.update([u8::from(part.is_some())]);
        let part = part.unwrap_or_default();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// The digest of all parts.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The digest of parts that are all there.
pub(crate) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut fingerprint = Fingerprint::default();
    for part in parts {
        fingerprint.add(Some(part));
    }
    fingerprint.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_order_nor_borders_nor_absence_of_parts_is_lost() {
        let lists: [&[Option<&[u8]>]; 6] =
            [&[], &[None], &[Some(b"")], &[Some(b"ab"), Some(b"c")], &[Some(b"a"), Some(b"bc")], &[Some(b"c"), Some(b"ab")]];
        let digest = |list: &[Option<&[u8]>]| {
            let mut fingerprint = Fingerprint::default();
            for part in list {
                fingerprint.add(*part);
            }
            fingerprint.finish()
        };
        let mut digests = lists.map(digest).to_vec();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), lists.len());
    }
}
