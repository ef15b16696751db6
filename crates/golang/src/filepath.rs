//! Paths and file names, on Unix: `filepath.Clean`, `Base`, `Ext` and `Match`.

mod pattern;

pub use pattern::{Pattern, Refusal};

/// The shortest spelling of a path, as `filepath.Clean` and `path.Clean`: `.` for the empty one. A leading `..` stays where the path is relative.
pub fn clean(path: &str) -> String {
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

/// The last element of a path, as `filepath.Base`: `.` for the empty one, `/` for one of slashes alone.
pub fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// The extension of a path, as `filepath.Ext`: the end of its last element from the last dot on, empty where there is none.
pub fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |at| &name[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_split_as_in_go() {
        for (path, shortest) in
            [("", "."), ("a/../b", "b"), ("../a", "../a"), ("a/../../b", "../b"), ("/../a", "/a"), ("a//b/./", "a/b"), ("/", "/")]
        {
            assert_eq!(clean(path), shortest, "{path}");
        }
        for (path, last) in [("", "."), ("a/b", "b"), ("a/b//", "b"), ("//", "/"), ("..", "..")] {
            assert_eq!(base(path), last);
        }
        assert_eq!((extension("a.b/c"), extension("x/c.tgz"), extension(".x")), ("", ".tgz", ".x"));
    }
}
