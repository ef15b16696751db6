//! Where an artifact lies, below the root and in URLs.

use std::{fmt, path::PathBuf};

use crate::Error;

/// Temporary files start with this; no artifact does.
pub(crate) const TEMPORARY: &str = ".headwater-tmp-";

/// The place of an artifact: `<kind>/<namespace>/<name>/<file>`.
///
/// No part is empty, `.` or `..`, or contains a separator or NUL, so that joined to a root it stays
/// below that root. The file's name does not start with a dot: such files beside artifacts are the
/// storage's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    kind: String,
    namespace: String,
    name: String,
    file: String,
}

impl Location {
    /// The place of `file` of an object. The kind is written in lower case, whatever is given.
    ///
    /// # Errors
    /// [`Error::Location`] for a part that cannot be a file name.
    pub fn new(kind: &str, namespace: &str, name: &str, file: &str) -> Result<Self, Error> {
        for part in [kind, namespace, name, file] {
            check(part)?;
        }
        if file.starts_with('.') {
            return Err(Error::Location { given: file.to_owned(), reason: "a hidden file" });
        }
        let [namespace, name, file] = [namespace, name, file].map(str::to_owned);
        Ok(Self { kind: kind.to_lowercase(), namespace, name, file })
    }

    /// Reads what [`path`](Self::path) wrote.
    ///
    /// # Errors
    /// [`Error::Location`] unless there are exactly four parts, all of which can be file names, and
    /// the kind is in lower case.
    pub fn parse(path: &str) -> Result<Self, Error> {
        let bad = |reason| Error::Location { given: path.to_owned(), reason };
        let parts: Vec<&str> = path.splitn(5, '/').collect();
        let [kind, namespace, name, file] = parts[..] else {
            return Err(bad("not <kind>/<namespace>/<name>/<file>"));
        };
        let location = Self::new(kind, namespace, name, file)?;
        if location.kind != kind {
            return Err(bad("the kind is not in lower case"));
        }
        Ok(location)
    }

    /// The path, with slashes: `gitrepository/default/podinfo/<file>`.
    pub fn path(&self) -> String {
        self.to_string()
    }

    /// The object's kind, in lower case.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The object's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The path as the file system writes it.
    pub(crate) fn relative(&self) -> PathBuf {
        [&self.kind, &self.namespace, &self.name, &self.file].iter().collect()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.kind, self.namespace, self.name, self.file)
    }
}

/// Refuses what is no plain file name.
pub(crate) fn check(part: &str) -> Result<(), Error> {
    let reason = match part {
        "" => "an empty part",
        "." | ".." => "a part that is another directory",
        _ if part.contains(['/', '\\']) => "a separator within a part",
        _ if part.contains('\0') => "a NUL byte",
        _ if part.starts_with(TEMPORARY) => "the name of a temporary file",
        _ => return Ok(()),
    };
    Err(Error::Location { given: part.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_path_reads_as_it_was_written() {
        let location = Location::new("GitRepository", "ns", "x", "1.tar.gz").unwrap();
        assert_eq!(location.path(), "gitrepository/ns/x/1.tar.gz");
        assert_eq!(Location::parse(&location.path()).unwrap(), location);
        assert_eq!(location.relative().to_str().unwrap(), location.path());
    }

    #[test]
    fn what_would_leave_the_root_is_refused() {
        for part in ["", ".", "..", "a/b", "/a", "a\\b", "a\0", ".headwater-tmp-x"] {
            assert!(Location::new("k", "n", "x", part).is_err(), "{part:?}");
            assert!(Location::new(part, "n", "x", "f").is_err(), "{part:?}");
            assert!(Location::new("k", part, "x", "f").is_err(), "{part:?}");
            assert!(Location::new("k", "n", part, "f").is_err(), "{part:?}");
        }
        assert!(Location::new("k", "n", "x", ".pass").is_err() && Location::new("k", "n", ".x", "f").is_ok());
        for path in ["", "k/n/x", "k/n/x/", "k/n/x/f/g", "/k/n/x", "k/n/../f", "K/n/x/f", "k/n/x/f/"] {
            assert!(Location::parse(path).is_err(), "{path:?}");
        }
    }
}
