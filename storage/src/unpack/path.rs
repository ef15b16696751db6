//! Paths in archives.

use bstr::{BStr, BString, ByteSlice};

use super::gunzip::Stop;

/// A path as an archive has it, without what means nothing (`./`, a slash at the end). Empty for the
/// root.
pub(super) fn checked(path: &BStr) -> Result<BString, Stop> {
    let bad = |what: &str| Stop::bad(format!("{what} in the path {path:?}"));
    if path.is_empty() || path.starts_with(b"/") {
        return Err(bad("nothing or a slash comes first"));
    }
    if path.contains(&0) {
        return Err(bad("a NUL byte"));
    }
    if path.split_str("/").any(|part| part == b"..") {
        return Err(bad("`..`"));
    }
    Ok(joined(path))
}

/// A path without what means nothing, that stays inside of its root: `..` leads no further up than that.
pub fn joined(path: &BStr) -> BString {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split_str("/") {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    bstr::join("/", parts).into()
}

/// The path relative to a folder, empty for the folder itself. None if it is elsewhere.
pub(super) fn below<'a>(path: &'a BStr, folder: &BStr) -> Option<&'a BStr> {
    if folder.is_empty() {
        return Some(path);
    }
    match path.strip_prefix(folder.as_bytes())? {
        b"" => Some(BStr::new("")),
        rest => rest.strip_prefix(b"/").map(BStr::new),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_means_nothing_is_left_out() {
        for (path, expected) in [(".", ""), ("./", ""), ("a", "a"), ("./a/", "a"), ("a//b/./c", "a/b/c"), ("a\\b", "a\\b")] {
            assert_eq!(checked(path.into()).unwrap(), expected);
        }
        for path in ["", "/", "/a", "..", "../a", "a/..", "a/../b", "a\0b"] {
            assert!(checked(path.into()).is_err(), "{path:?}");
        }
    }

    #[test]
    fn no_path_leads_up_from_the_root() {
        for (path, expected) in [("", ""), ("/", ""), ("..", ""), ("../../a", "a"), ("a/../../b", "b"), ("/a/./b/", "a/b")] {
            assert_eq!(joined(path.into()), expected);
        }
    }

    #[test]
    fn what_only_begins_alike_is_not_below() {
        let below = |path: &str, folder: &str| super::below(path.into(), folder.into()).map(ToString::to_string);
        assert_eq!(below("a/b", "").as_deref(), Some("a/b"));
        assert_eq!(below("a/b", "a").as_deref(), Some("b"));
        assert_eq!(below("a", "a").as_deref(), Some(""));
        for other in ["ab", "ab/c", "b", "", "x/a"] {
            assert_eq!(below(other, "a"), None, "{other}");
        }
    }
}
