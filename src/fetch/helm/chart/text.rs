//! Texts and paths as Go's standard library treats them: what messages quote, and what names of charts and files become.

/// The shortest clean spelling of a path, as Go's `path.Clean`: `.` for the empty one; a leading `..` stays where the path is relative.
pub(super) fn cleaned(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// `path` below `folder`, relative to the root of a source: what climbs above the root stays at the root, the root itself is empty.
pub(super) fn joined(folder: &str, path: &str) -> String {
    cleaned(&format!("/{folder}/{path}")).trim_start_matches('/').to_owned()
}

/// The last element of a path, as Go's `filepath.Base`.
pub(super) fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// The end of the last element of a path, from its last dot on; empty where there is none.
pub(super) fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |at| &name[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_sanitised_as_go_does() {
        assert_eq!(crate::fetch::helm::printable::sanitised("a\tb\u{a0}c\u{200b}d\u{7f}é\u{2028}"), "a b cdé ");
    }

    #[test]
    fn paths_are_cleaned_and_never_leave_the_root() {
        for (path, clean) in
            [("", "."), ("a/../b", "b"), ("../a", "../a"), ("a/../../b", "../b"), ("/../a", "/a"), ("a//b/./", "a/b"), ("/", "/")]
        {
            assert_eq!(cleaned(path), clean, "{path}");
        }
        for (folder, path, whole) in [("a", "../../x", "x"), ("", "../..", ""), ("a/b", "../c", "a/c"), ("a", "/etc", "a/etc")] {
            assert_eq!(joined(folder, path), whole);
        }
        for (path, last) in [("", "."), ("a/b", "b"), ("a/b//", "b"), ("//", "/"), ("..", "..")] {
            assert_eq!(base(path), last);
        }
        assert_eq!((extension("a.b/c"), extension("x/c.tgz"), extension(".x")), ("", ".tgz", ".x"));
    }
}
