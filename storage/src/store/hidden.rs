//! Files beside the artifacts of an object that are no artifacts: what a segment was made of, what
//! was noted of an artifact, and when the last good pass ended. Their names start with a dot, so that
//! they are never served.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Its modification time says when the last good pass of the object ended.
pub(super) const PASS: &str = ".pass";
/// What the name of a sidecar ends with.
const SEGMENTS: &str = ".segments";
/// What the name of a note ends with.
const NOTE: &str = ".note";

/// The sidecar of an artifact.
pub(super) fn sidecar(artifact: &Path) -> PathBuf {
    beside(artifact, SEGMENTS)
}

/// What was noted of an artifact.
pub(super) fn note(artifact: &Path) -> PathBuf {
    beside(artifact, NOTE)
}

fn beside(artifact: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(artifact.file_name().unwrap_or_default());
    name.push(suffix);
    artifact.with_file_name(name)
}

/// The artifact that a sidecar or a note belongs to; none if the file is neither.
pub(super) fn artifact(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.as_bytes().strip_prefix(b".")?;
    let name = [SEGMENTS, NOTE].iter().find_map(|suffix| name.strip_suffix(suffix.as_bytes()))?;
    (!name.is_empty()).then(|| file.with_file_name(OsStr::from_bytes(name)))
}

/// Whether a file is one of those.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new(PASS)) || artifact(path).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidecars_notes_and_their_artifact_know_each_other() {
        let path = Path::new("k/n/x/a.tar.gz");
        assert_eq!(sidecar(path), Path::new("k/n/x/.a.tar.gz.segments"));
        assert_eq!(artifact(&sidecar(path)).as_deref(), Some(path));
        assert_eq!(artifact(&note(path)).as_deref(), Some(path));
        for other in ["k/a.segments", "k/.segments", "k/a.note", "k/.note", "k/.a", "k/.pass", ".."] {
            assert_eq!(artifact(Path::new(other)), None, "{other}");
        }
        assert!(is_hidden(Path::new("k/.pass")) && is_hidden(&sidecar(path)) && !is_hidden(path));
    }
}
