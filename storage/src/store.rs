//! The storage: artifacts by location, below one root.

mod hidden;
mod passes;
mod retention;
mod sweep;
mod temporary;

use std::{
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    Algorithm, Contents, Digest, Entry, Error, Ignore, Location,
    archive::{self, Previous, Record, Source},
    digest::Hasher,
    location,
};
use temporary::Temporary;

/// What to keep of an object's artifacts besides the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Artifacts that are older are removed.
    pub ttl: Duration,
    /// The most artifacts that are kept, the current one included.
    pub records: usize,
}

/// How to open a storage.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory that holds all artifacts. Created if it is missing.
    pub root: PathBuf,
    /// Digests new artifacts.
    pub algorithm: Algorithm,
    /// What [`Storage::collect`] keeps.
    pub retention: Retention,
    /// How many threads compress one archive; at least one is used.
    pub threads: usize,
}

/// A stored artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The digest of the file.
    pub digest: Digest,
    /// The length of the file, in bytes.
    pub size: u64,
}

/// Artifacts on disk. Clones are the same storage.
///
/// All calls block. Two calls that write to the same object's folder must not run at a time; any
/// number of readers may.
#[derive(Clone, Debug)]
pub struct Storage {
    options: Arc<Options>,
}

impl Storage {
    /// Opens the storage: creates its root, sees to it that files can be written there, and removes
    /// the temporary files that a process which died left behind. A process that is still writing to
    /// the same root loses its unfinished archive, and fails to store it.
    ///
    /// # Errors
    /// [`Error::Root`] if the root is no directory or nothing can be written there.
    pub fn open(options: Options) -> Result<Self, Error> {
        let root = &options.root;
        let bad = |reason| move |source| Error::Root { path: root.clone(), reason, source };
        fs::create_dir_all(root).map_err(bad("is no directory and cannot become one"))?;
        Temporary::create(root).map_err(bad("cannot be written to"))?;
        sweep::temporary_files(root)?;
        Ok(Self { options: Arc::new(options) })
    }

    /// The directory that holds all artifacts.
    pub fn root(&self) -> &Path {
        &self.options.root
    }

    /// What digests new artifacts.
    pub fn algorithm(&self) -> Algorithm {
        self.options.algorithm
    }

    /// The file of an artifact, whether it exists or not.
    pub fn file(&self, at: &Location) -> PathBuf {
        self.options.root.join(at.relative())
    }

    /// Whether there is an artifact: a regular file, not a link to one.
    pub fn exists(&self, at: &Location) -> bool {
        fs::symlink_metadata(self.file(at)).is_ok_and(|file| file.is_file())
    }

    /// Reads an artifact and compares it to a digest of any algorithm.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if it differs, [`Error::Read`] if it is missing or cannot be read.
    pub fn verify(&self, at: &Location, expected: &Digest) -> Result<(), Error> {
        let path = self.file(at);
        match File::open(&path).and_then(|file| expected.algorithm().read(file)) {
            Ok(actual) if actual == *expected => Ok(()),
            Ok(actual) => Err(Error::Mismatch { path, expected: expected.clone(), actual }),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Archives a tree as a gzipped tar, in place of what was stored there before. Entries come in
    /// any order; directories that are missing are added.
    ///
    /// `previous` is an artifact of the same object, such as the one that this replaces; it may be at
    /// the same location. What did not change since is copied from there rather than read and
    /// compressed. The bytes are the same without it, and nothing is wrong if it is missing or
    /// damaged: then there is just more to do.
    ///
    /// Each thread holds a few compressed segments and the contents of one file.
    ///
    /// # Errors
    /// Whatever fails, what was stored before is still there, and nothing else is.
    pub fn archive(
        &self,
        at: &Location,
        entries: &[Entry],
        contents: &dyn Contents,
        ignore: &Ignore,
        cancel: &AtomicBool,
        previous: Option<&Location>,
    ) -> Result<Stored, Error> {
        let path = self.file(at);
        let previous = previous.map(|at| self.file(at)).and_then(|file| Previous::open(&file, &hidden::sidecar(&file)));
        let source = Source { entries, contents, ignore, previous: previous.as_ref(), threads: self.options.threads, cancel };
        let failed = |source| Error::Write { path: path.clone(), source };
        let mut out = Output { file: Temporary::beside(&path)?, digest: Hasher::new(self.options.algorithm), size: 0 };
        let records = archive::write(&mut out, source, failed)?;
        out.file.persist(&path).map_err(failed)?;
        describe(&path, &records, out.size);
        Ok(Stored { digest: out.digest.finish(), size: out.size })
    }

    /// Stores a file as `write` writes it, in place of what was stored there before.
    ///
    /// # Errors
    /// What `write` fails with; [`Error::Directory`], [`Error::Write`] and [`Error::Cancelled`]. Whatever
    /// fails, what was stored before is still there, and nothing else is.
    pub fn store<E: From<Error>>(
        &self,
        at: &Location,
        cancel: &AtomicBool,
        write: impl FnOnce(&mut dyn io::Write) -> Result<(), E>,
    ) -> Result<Stored, E> {
        let path = self.file(at);
        let mut out = Output { file: Temporary::beside(&path)?, digest: Hasher::new(self.options.algorithm), size: 0 };
        write(&mut out)?;
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled.into());
        }
        out.file.persist(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        // These are about the file of before.
        remove(&hidden::sidecar(&path))?;
        remove(&hidden::note(&path))?;
        Ok(Stored { digest: out.digest.finish(), size: out.size })
    }

    /// Makes `name`, in the object's folder, a symbolic link to an artifact, in place of what had that
    /// name.
    ///
    /// # Errors
    /// [`Error::Location`] for a name that no artifact could have, [`Error::Write`].
    pub fn link(&self, at: &Location, name: &str) -> Result<(), Error> {
        location::check(name)?;
        let path = self.file(at).with_file_name(name);
        if fs::read_link(&path).is_ok_and(|target| target.as_os_str() == at.file()) {
            return Ok(());
        }
        let failed = |source| Error::Write { path: path.clone(), source };
        let folder = path.parent().unwrap_or(&path);
        let draft =
            tempfile::Builder::new().prefix(location::TEMPORARY).make_in(folder, |draft| std::os::unix::fs::symlink(at.file(), draft));
        let ((), draft) = draft.map_err(failed)?.into_parts();
        draft.persist(&path).map_err(|error| failed(error.error))
    }

    /// Notes something of an artifact, in place of what was noted before. It goes with the artifact,
    /// and when another is stored in its place. After a crash of the machine it may be lost.
    ///
    /// # Errors
    /// [`Error::Write`]; nothing is noted then.
    pub fn note(&self, at: &Location, text: &[u8]) -> Result<(), Error> {
        let path = hidden::note(&self.file(at));
        let write = || -> io::Result<()> {
            let mut file = Temporary::create(path.parent().unwrap_or(&path))?;
            file.write_all(text)?;
            file.rename(&path)
        };
        write().map_err(|source| Error::Write { path: path.clone(), source })
    }

    /// What was noted of an artifact, unless that is more than `limit` bytes.
    pub fn noted(&self, at: &Location, limit: u64) -> Option<Vec<u8>> {
        let file = File::open(hidden::note(&self.file(at))).ok()?;
        let mut text = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut text).ok()?;
        (text.len() as u64 <= limit).then_some(text)
    }

    /// Removes an artifact and what belongs to it; that it is not there is fine.
    ///
    /// # Errors
    /// [`Error::Remove`].
    pub fn remove(&self, at: &Location) -> Result<(), Error> {
        let path = self.file(at);
        remove(&path)?;
        remove(&hidden::sidecar(&path))?;
        remove(&hidden::note(&path)).map(drop)
    }

    /// Removes all artifacts of an object, and says which files were there.
    ///
    /// # Errors
    /// [`Error::Location`] for names that cannot be part of a path, [`Error::Read`] and
    /// [`Error::Remove`] if the object's folder cannot be read or removed.
    pub fn remove_object(&self, kind: &str, namespace: &str, name: &str) -> Result<Vec<PathBuf>, Error> {
        for part in [kind, namespace, name] {
            location::check(part)?;
        }
        let folder = self.options.root.join(kind.to_lowercase()).join(namespace).join(name);
        let removed = sweep::files(&folder)?.into_iter().map(|file| file.path).filter(|path| !hidden::is_hidden(path)).collect();
        match fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Remove { path: folder, source }),
            _ => Ok(removed),
        }
    }

    /// Removes the artifacts of an object that retention does not keep, and says which: those older
    /// than the time to live, then the oldest until no more than the records are left. `keep`, the
    /// current one, stays whatever its age.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Remove`]; all that can be removed is removed before.
    pub fn collect(&self, keep: &Location) -> Result<Vec<PathBuf>, Error> {
        retention::collect(&self.file(keep), self.options.retention)
    }
}

/// Writes the sidecar of an artifact that was just stored. Without one the next archive is made from
/// nothing, so a failure is none of the artifact's; it only must not leave another's sidecar there.
fn describe(artifact: &Path, records: &[Record], size: u64) {
    let path = hidden::sidecar(artifact);
    let write = || -> io::Result<()> {
        let mut file = Temporary::create(artifact.parent().unwrap_or(artifact))?;
        file.write_all(&archive::encode(records, size)?)?;
        file.rename(&path)
    };
    if write().is_err() {
        let _ = remove(&path);
    }
}

/// Removes a file; false if there is none, or cannot be one of that name.
fn remove(path: &Path) -> Result<bool, Error> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(source) if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename) => Ok(false),
        Err(source) => Err(Error::Remove { path: path.to_owned(), source }),
    }
}

/// Writes to a file, and digests and counts what is written.
struct Output {
    file: Temporary,
    digest: Hasher,
    size: u64,
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
