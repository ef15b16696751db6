//! Paths below the root of a source.

use headwater_golang::filepath::clean;

/// `path` below `folder`, relative to the root of a source: what climbs above the root stays at the root, the root itself is empty.
pub(super) fn joined(folder: &str, path: &str) -> String {
    clean(&format!("/{folder}/{path}")).trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_never_leave_the_root() {
        for (folder, path, whole) in [("a", "../../x", "x"), ("", "../..", ""), ("a/b", "../c", "a/c"), ("a", "/etc", "a/etc")] {
            assert_eq!(joined(folder, path), whole);
        }
    }
}
