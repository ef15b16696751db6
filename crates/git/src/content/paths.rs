//! A part of a tree, by its paths.

use bstr::{BStr, BString, ByteSlice as _};

/// Which paths of a tree are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths(Vec<BString>);

impl Paths {
    /// Every path.
    pub(crate) fn all() -> Self {
        Self(Vec::new())
    }

    /// Those that begin with one of `folders`, letter by letter: `dir` also means `dir2/file` and `directory.yaml`. Flux takes them
    /// this way, with `./` at the beginning left out, so that `.` alone means names that begin with a dot.
    pub(crate) fn new(folders: &[String]) -> Self {
        let folders: Vec<_> = folders.iter().map(|folder| folder.strip_prefix("./").unwrap_or(folder)).collect();
        if folders.contains(&"") { Self::all() } else { Self(folders.into_iter().map(BString::from).collect()) }
    }

    /// Whether nothing is left out.
    pub(crate) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the file, link or submodule `path` is one of them.
    pub(crate) fn hold(&self, path: &BStr) -> bool {
        self.is_all() || self.0.iter().any(|wanted| path.starts_with(wanted))
    }

    /// Whether something in the directory `path` can be one of them.
    pub(crate) fn lead_into(&self, path: &BStr) -> bool {
        let leads = |wanted: &BString| match wanted.strip_prefix(path.as_bytes()) {
            Some(rest) => rest.is_empty() || rest.starts_with(b"/"),
            None => path.starts_with(wanted),
        };
        self.is_all() || self.0.iter().any(leads)
    }
}
