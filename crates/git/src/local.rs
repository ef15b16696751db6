//! Repositories on this machine, read in place.
//!
//! Invariants: nothing is written into a repository, not even a lock; nothing that it configures is run, and neither the
//! environment nor the user's own configuration counts. That is why it does not matter who owns it: Git refuses repositories of
//! other users because their configuration can run programs, and here only references and objects are read. References under
//! `refs/replace` do not count, as they do not for those who clone.

use std::fmt::Display;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use gix::ObjectId;
use gix::objs::Kind;
use headwater_http::{Excerpt, Secrets, causes, quote};
use url::Url;

use super::obtain::{Part, Trust};
use super::resolve::{Refs, look_up};
use super::session::{RemoteRef, Target};
use super::{Error, Head, LocalRepositories, Reference, Remote};

/// The scheme of URLs of this machine.
const SCHEME: &str = "file";
/// As many symbolic references as Git itself follows at most.
const MAX_SYMREFS: usize = 5;
/// Objects up to this many bytes can be read even where files have to be smaller: trees, commits and tags.
const SMALLEST_BOUND: u64 = 64 << 20;
/// The most attempts to find something that may just have moved.
const ATTEMPTS: usize = 3;

/// True if the remote is a repository on this machine, and may be one.
pub(super) fn may_be(remote: &Remote) -> bool {
    remote.url.scheme() == SCHEME && remote.local == LocalRepositories::Allowed
}

/// See [`super::resolve()`].
pub(super) fn resolve(remote: &Remote, reference: &Reference, interrupt: &AtomicBool) -> Result<Head, Error> {
    patiently(|| look_up(&mut Local::open(remote, interrupt)?, reference))
}

/// The repository of a commit, after making sure that the commit is part of the history of `tip`, if there is one.
pub(super) fn obtain(remote: &Remote, id: ObjectId, tip: Option<ObjectId>, interrupt: &AtomicBool) -> Result<Part, Error> {
    patiently(|| {
        let local = Local::open(remote, interrupt)?;
        local.go_on()?;
        if let Some(tip) = tip.filter(|tip| *tip != id)
            && !local.descends(tip, id)?
        {
            return Err(Error::CommitNotFound { id: id.to_string() });
        }
        Ok(Part { repo: local.repo.into_sync(), trust: Trust::Received, generation: None })
    })
}

/// Does `work` again, from the start, where an object was missing: when Git packs the repository at the same moment, an object
/// can move between the looks at the place where it was and at the one where it is.
fn patiently<T>(work: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let mut done = work();
    for _ in 1..ATTEMPTS {
        match done {
            Err(Error::CommitNotFound { .. } | Error::BadTree { .. } | Error::Corrupt { .. }) => done = work(),
            _ => break,
        }
    }
    done
}

/// An open repository.
struct Local<'a> {
    repo: gix::Repository,
    url: String,
    interrupt: &'a AtomicBool,
}

impl<'a> Local<'a> {
    fn open(remote: &Remote, interrupt: &'a AtomicBool) -> Result<Self, Error> {
        let url = remote.url.to_string();
        let folder = folder(&remote.url).map_err(|why| Error::Unreachable { url: url.clone(), message: why.to_owned() })?;
        let bound = remote.limits.blob_size.max(SMALLEST_BOUND);
        let options = gix::open::Options::isolated()
            .with(gix::sec::Trust::Reduced)
            .config_overrides(["core.useReplaceRefs=false".to_owned(), format!("gitoxide.objects.allocLimit={bound}")]);
        let repo = match gix::ThreadSafeRepository::open_opts(&folder, options) {
            Ok(repo) => repo.to_thread_local(),
            Err(error) => return Err(unopened(url, &folder, &error)),
        };
        let local = Self { repo, url, interrupt };
        match local.repo.config_snapshot().string("extensions.refStorage") {
            Some(format) if format != "files" => {
                let message = printable(format!("references stored as {format} are not supported"));
                Err(Error::Corrupt { url: local.url, message })
            }
            _ => Ok(local),
        }
    }

    fn go_on(&self) -> Result<(), Error> {
        if self.interrupt.load(Ordering::Relaxed) {
            return Err(Error::Cancelled { url: self.url.clone() });
        }
        Ok(())
    }

    /// True if `tip` is a descendant of `id`.
    fn descends(&self, tip: ObjectId, id: ObjectId) -> Result<bool, Error> {
        let walk = self.repo.rev_walk([tip]).all().map_err(|error| self.corrupt(&error))?;
        for commit in walk {
            self.go_on()?;
            if commit.map_err(|error| self.corrupt(&error))?.id == id {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The object that the reference `full` leads to now.
    fn look(&self, full: &str) -> Result<Option<Target>, Error> {
        // Anything else would be looked up in other places as well, or is no reference at all, such as `config`.
        let name = gix::refs::FullName::try_from(full).ok().filter(|_| full == "HEAD" || full.starts_with("refs/"));
        let Some(name) = name else { return Ok(None) };
        match self.repo.try_find_reference(name.as_ref()).map_err(|error| self.corrupt(&error))? {
            Some(found) if found.name() == name.as_ref() => self.peeled(found),
            _ => Ok(None),
        }
    }

    /// The object that a reference leads to: nothing if it is a symbolic one without an end, and itself unpeeled if objects are missing.
    fn peeled(&self, mut found: gix::Reference<'_>) -> Result<Option<Target>, Error> {
        for _ in 0..MAX_SYMREFS {
            match found.follow() {
                Some(Ok(next)) => found = next,
                Some(Err(_)) => return Ok(None),
                None => break,
            }
        }
        let Some(target) = found.try_id().map(gix::Id::detach) else { return Ok(None) };
        let mut id = target;
        loop {
            self.go_on()?;
            match self.kind(id)? {
                None => return Ok(Some(Target::new(target, None))),
                Some(Kind::Tag) => {
                    let tag = self.repo.find_tag(id).map_err(|error| self.corrupt(&error))?;
                    id = tag.target_id().map_err(|error| self.corrupt(&error))?.detach();
                }
                Some(_) => return Ok(Some(Target::new(target, Some(id)))),
            }
        }
    }

    /// The kind of an object, if it is there.
    fn kind(&self, id: ObjectId) -> Result<Option<Kind>, Error> {
        for _ in 0..ATTEMPTS {
            if let Some(header) = self.repo.try_find_header(id).map_err(|error| self.corrupt(&error))? {
                return Ok(Some(header.kind()));
            }
        }
        Ok(None)
    }

    /// All references whose names begin with `prefix`, as they are now, and how many could not be read.
    fn list(&self, prefix: &str) -> Result<(Vec<gix::Reference<'_>>, usize), Error> {
        let refs = self.repo.references().map_err(|error| self.corrupt(&error))?;
        let all = if prefix.is_empty() { refs.all() } else { refs.prefixed(prefix) };
        let (mut found, mut unread) = (Vec::new(), 0);
        for reference in all.map_err(|error| self.corrupt(&error))? {
            self.go_on()?;
            match reference {
                Ok(reference) => found.push(reference),
                Err(_) => unread += 1,
            }
        }
        Ok((found, unread))
    }

    /// The file of packed references that is there, and counts from now on. Git moves references into it from files of their own:
    /// who looks at it before that, and at the other files after it, misses them.
    fn packed(&self) -> Option<(u64, u64, SystemTime)> {
        let file = std::fs::metadata(self.repo.refs.packed_refs_path()).ok()?;
        // What keeps it from being read now will do so again when it is needed, and is told then.
        let _ = self.repo.refs.force_refresh_packed_buffer();
        Some((file.ino(), file.len(), file.modified().ok()?))
    }

    fn corrupt(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        Error::Corrupt { url: self.url.clone(), message: words(error) }
    }
}

impl Refs for Local<'_> {
    fn url(&self) -> String {
        self.url.clone()
    }

    fn enter(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn find(&mut self, full: &str) -> Result<Option<Target>, Error> {
        loop {
            self.go_on()?;
            let before = self.packed();
            let found = self.look(full)?;
            if found.is_some() || self.packed() == before {
                return Ok(found);
            }
        }
    }

    fn each(&mut self, prefix: &str, visit: &mut dyn FnMut(RemoteRef<'_>) -> ControlFlow<()>) -> Result<(), Error> {
        let mut attempts = 0;
        let all = loop {
            let before = self.packed();
            let (all, unread) = self.list(prefix)?;
            attempts += 1;
            // A file that was moved cannot be read; but one that can never be read is a reference that nobody can clone.
            if self.packed() == before && (unread == 0 || attempts >= ATTEMPTS) {
                break all;
            }
        };
        for reference in all {
            let name = reference.name().as_bstr().to_owned();
            let target = self.peeled(reference)?;
            if visit(RemoteRef { name: name.as_ref(), target }).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The folder that a URL names.
fn folder(url: &Url) -> Result<PathBuf, &'static str> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err("in a file URL, '?' and '#' have to be written as '%3F' and '%23'");
    }
    url.to_file_path().map_err(|()| "a file URL names a folder of this machine; write it as 'file:///path' without a host")
}

/// The error of a repository that could not be opened.
fn unopened(url: String, folder: &Path, error: &gix::Error) -> Error {
    let mut there = false;
    for head in [folder.join(".git/HEAD"), folder.join(".git"), folder.join("HEAD")] {
        match readable(&head) {
            Ok(()) => there = true,
            Err(denied) if denied.kind() == io::ErrorKind::PermissionDenied => {
                return Error::Unreachable { url, message: printable(format!("cannot read {}: permission denied", head.display())) };
            }
            Err(_) => {}
        }
    }
    if there { Error::Corrupt { url, message: words(error) } } else { Error::RepositoryNotFound { url } }
}

/// True if a file or folder is there and can be read. Opens neither pipes nor devices, which could wait forever.
fn readable(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() { std::fs::File::open(path).map(drop) } else { Ok(()) }
}

/// An error's text with its causes, fit for printing.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    printable(causes(error))
}

/// A text in one line, and not too long.
fn printable(text: impl Display) -> String {
    quote(text, &Secrets::default(), Excerpt::Short)
}

#[cfg(test)]
mod tests;
