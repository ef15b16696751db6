//! What determines the bytes of a segment.

use super::plan::Item;
use crate::Mode;

/// Digest of a recipe.
pub(super) type Recipe = [u8; 32];

/// The recipe of a segment: equal recipes, equal bytes from the same compressor. None for a segment
/// with an entry that has contents but no id, since nothing says whether those changed.
pub(super) fn of(items: &[Item<'_>]) -> Option<Recipe> {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for item in items {
        part(item.path);
        let Some(file) = item.file else {
            part(b"directory");
            continue;
        };
        if file.id.is_empty() {
            return None;
        }
        part(match file.mode {
            Mode::Directory | Mode::File => b"file",
            Mode::Executable => b"executable",
            Mode::Link | Mode::Symlink => b"link",
        });
        part(&file.size.to_le_bytes());
        part(&file.id);
    }
    Some(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use bstr::ByteSlice;

    use super::*;
    use crate::Entry;

    fn recipe(entries: &[Entry]) -> Option<Recipe> {
        let items: Vec<Item<'_>> = entries
            .iter()
            .map(|entry| Item { path: entry.path.as_bstr(), file: (entry.mode != Mode::Directory).then_some(entry) })
            .collect();
        of(&items)
    }

    #[test]
    fn everything_that_shows_in_the_bytes_is_in_the_recipe() {
        let entry = Entry { path: "ab".into(), mode: Mode::File, id: vec![1, 2], size: 3 };
        let mut known = vec![recipe(std::slice::from_ref(&entry)).unwrap()];
        for other in [
            Entry { path: "a".into(), ..entry.clone() },
            Entry { mode: Mode::Executable, ..entry.clone() },
            Entry { mode: Mode::Link, ..entry.clone() },
            Entry { mode: Mode::Directory, ..entry.clone() },
            Entry { id: vec![1], ..entry.clone() },
            Entry { size: 4, ..entry.clone() },
        ] {
            let other = recipe(&[other]).unwrap();
            assert!(!known.contains(&other));
            known.push(other);
        }
        assert!(!known.contains(&recipe(&[entry.clone(), entry.clone()]).unwrap()));
        assert_eq!(recipe(&[entry.clone(), Entry { id: Vec::new(), ..entry }]), None);
    }
}
