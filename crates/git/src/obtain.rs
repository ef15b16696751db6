//! Getting a commit: out of the mirror, or into it, at the cost of what is new.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::prelude::FindExt as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::mirror::{Generation, Mirror};
use super::pack::{self, Depth, Request};
use super::session::Session;
use super::supervise::supervise;
use super::{Error, Head, Remote};

/// The most commits that a server is told of.
const MOST_HAVES: usize = 32;
/// The most references whose whole history is fetched for a commit that cannot be had alone.
const MOST_REFS: usize = 10_000;

/// A commit to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The commit, with its tree.
    pub(super) id: ObjectId,
    /// The annotated tag that leads to it.
    pub(super) tag: Option<ObjectId>,
    /// The tip of a branch whose history must hold the commit.
    pub(super) tip: Option<ObjectId>,
}

impl From<&Head> for Wanted {
    fn from(head: &Head) -> Self {
        Self { id: head.id, tag: head.tag.as_ref().and_then(|tag| tag.object), tip: head.tip }
    }
}

impl Wanted {
    /// A commit alone.
    pub(super) fn commit(id: ObjectId) -> Self {
        Self { id, tag: None, tip: None }
    }

    /// The object that the server is asked for: old servers give away only what has a name.
    pub(super) fn object(&self) -> ObjectId {
        self.tag.unwrap_or(self.id)
    }
}

/// The repository that has the objects of a commit. As long as this lives, they stay there.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) repo: gix::ThreadSafeRepository,
    pub(super) trust: Trust,
    pub(super) generation: Option<Arc<Generation>>,
}

/// Trust in objects: it decides if they are hashed again when they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// They were just received, which computed their ids.
    Received,
    /// They lay on a disk for a while.
    Kept,
}

impl Part {
    /// Sees to it that nobody gets to see these files again. True if they were those of a mirror, so that it is worth to try again.
    pub(super) fn discard(&self) -> bool {
        match &self.generation {
            Some(generation) if self.trust == Trust::Kept => {
                generation.condemn();
                true
            }
            _ => false,
        }
    }
}

/// Gets a commit. `scratch` is for what is not kept.
pub(super) async fn obtain(remote: &Remote, wanted: Wanted, scratch: &Path) -> Result<Part, Error> {
    let mirror = remote.mirrors.of(remote);
    let mut kept = mirror.turn(remote).await?;
    let scratch = scratch.to_owned();
    supervise(remote, move |remote, token, interrupt| {
        if kept.as_ref().is_some_and(|generation| generation.is_condemned()) {
            *kept = None;
        }
        let fetch = Fetch { remote, mirror: &mirror, token, interrupt, scratch: &scratch };
        let part = fetch.run(wanted, &mut kept)?;
        drop(kept);
        remote.mirrors.make_room();
        Ok(part)
    })
    .await
}

/// Talks to a remote, without a greeting where the last one is still good. If that fails, once more with one.
pub(super) fn visit<T>(
    remote: &Remote,
    mirror: &Mirror,
    token: &CancellationToken,
    mut work: impl FnMut(&mut Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut session = Session::new(remote, Handle::current(), token.clone(), mirror.greeting())?;
    let mut done = work(&mut session);
    if session.resumed()
        && let Err(Error::Corrupt { .. } | Error::Unreachable { .. } | Error::RepositoryNotFound { .. }) = done
    {
        mirror.greeted(None);
        session = Session::new(remote, Handle::current(), token.clone(), None)?;
        done = work(&mut session);
    }
    if done.is_ok() {
        mirror.greeted(session.greeting());
    }
    done
}

/// Fetching from one remote.
pub(super) struct Fetch<'a> {
    pub(super) remote: &'a Remote,
    pub(super) mirror: &'a Mirror,
    pub(super) token: CancellationToken,
    pub(super) interrupt: &'a AtomicBool,
    pub(super) scratch: &'a Path,
}

impl Fetch<'_> {
    fn run(&self, wanted: Wanted, kept: &mut Option<Arc<Generation>>) -> Result<Part, Error> {
        self.check_history(wanted)?;
        if let Some(generation) = kept.as_ref() {
            match self.out_of(generation, wanted) {
                Ok(Some(part)) => return Ok(part),
                Ok(None) => {}
                Err(error @ (Error::Corrupt { .. } | Error::Scratch { .. } | Error::BadTree { .. })) => {
                    tracing::info!(url = self.url(), %error, "the mirror of this repository is unusable; making it anew");
                }
                Err(error) => return Err(error),
            }
        }
        let fresh = self.remote.mirrors.generation(self.mirror).map_err(|error| self.scratch(&error))?;
        let folder = fresh.as_ref().map_or_else(|| self.scratch.join("objects"), |fresh| fresh.folder().to_owned());
        let repo = match self.commit(wanted, &[], &folder) {
            Err(Error::CommitNotFound { .. }) => return self.out_of_history(wanted),
            received => received?,
        };
        let mut part = Part { repo, trust: Trust::Received, generation: None };
        if let Some(fresh) = fresh {
            fresh.add(&wanted.names()).map_err(|error| self.scratch(&error))?;
            let fresh = Arc::new(fresh);
            if let Some(old) = kept.replace(Arc::clone(&fresh)) {
                old.condemn();
            }
            part.generation = Some(fresh);
        }
        Ok(part)
    }

    /// The commit out of what is kept, after fetching what is missing. None when it is better to begin anew.
    fn out_of(&self, generation: &Arc<Generation>, wanted: Wanted) -> Result<Option<Part>, Error> {
        let part = |repo, trust| Some(Part { repo, trust, generation: Some(Arc::clone(generation)) });
        if generation.has_all(&wanted.names()) {
            return Ok(part(pack::repository(generation.folder(), &self.url())?, Trust::Kept));
        }
        if self.remote.mirrors.is_worn_out(generation) {
            return Ok(None);
        }
        let repo = match self.commit(wanted, &generation.tips(MOST_HAVES), generation.folder()) {
            Err(Error::CommitNotFound { .. }) => return self.out_of_history(wanted).map(Some),
            received => received?,
        };
        generation.add(&wanted.names()).map_err(|error| self.scratch(&error))?;
        Ok(part(repo, Trust::Kept))
    }

    /// Receives the commit into `folder`, which has `haves` already.
    fn commit(&self, wanted: Wanted, haves: &[ObjectId], folder: &Path) -> Result<gix::ThreadSafeRepository, Error> {
        let repo = self.receive(Request { wants: &[wanted.object()], haves, depth: Depth::One, filter: None }, folder)?;
        let mut buffer = Vec::new();
        match repo.to_thread_local().objects.find_commit(&wanted.id, &mut buffer) {
            Ok(_) => Ok(repo),
            Err(_) => Err(Error::CommitNotFound { id: wanted.id.to_string() }),
        }
    }

    /// The commit out of the history of all branches and tags, for servers that give away nothing else.
    fn out_of_history(&self, wanted: Wanted) -> Result<Part, Error> {
        let missing = || Error::CommitNotFound { id: wanted.id.to_string() };
        let names = self.visit(|session| {
            let handshake = session.handshake()?;
            let mut ids = Vec::new();
            session.each_ref(&handshake, &["refs/heads/", "refs/tags/"], &mut |found| {
                let named = found.name.starts_with(b"refs/heads/") || found.name.starts_with(b"refs/tags/");
                ids.extend(found.target.filter(|_| named).map(|target| target.tag.unwrap_or(target.id)));
                if ids.len() < MOST_REFS { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
            })?;
            ids.sort_unstable();
            ids.dedup();
            Ok(ids)
        })?;
        if names.is_empty() {
            return Err(missing());
        }
        tracing::debug!(url = self.url(), commit = %wanted.id, "the server does not give away this commit alone; fetching all history");
        let request = Request { wants: &names, haves: &[], depth: Depth::All, filter: None };
        let outline = Request { filter: Some("tree:0"), ..request };
        let folders = [(outline, self.scratch.join("outline")), (request, self.scratch.join("history-of-all"))];
        let mut found = None;
        for (request, folder) in folders {
            found = match self.receive(request, &folder) {
                Ok(repo) if repo.to_thread_local().has_object(wanted.id) => Some(repo),
                Ok(_) | Err(Error::CommitNotFound { .. }) => return Err(missing()),
                Err(error) => return Err(error),
            };
        }
        let repo = found.ok_or_else(missing)?;
        Ok(Part { repo, trust: Trust::Received, generation: None })
    }

    /// Makes sure that the commit is in the history of the branch that it should be on.
    pub(super) fn check_history(&self, wanted: Wanted) -> Result<(), Error> {
        let Some(tip) = wanted.tip.filter(|tip| *tip != wanted.id) else { return Ok(()) };
        let request = Request { wants: &[tip], haves: &[], depth: Depth::All, filter: Some("tree:0") };
        let history = self.receive(request, &self.scratch.join("history"))?;
        if history.to_thread_local().has_object(wanted.id) { Ok(()) } else { Err(Error::CommitNotFound { id: wanted.id.to_string() }) }
    }

    pub(super) fn receive(&self, request: Request<'_>, folder: &Path) -> Result<gix::ThreadSafeRepository, Error> {
        self.visit(|session| pack::receive(session, request, folder, self.interrupt))
    }

    pub(super) fn visit<T>(&self, work: impl FnMut(&mut Session) -> Result<T, Error>) -> Result<T, Error> {
        visit(self.remote, self.mirror, &self.token, work)
    }

    fn scratch(&self, error: &std::io::Error) -> Error {
        Error::disk(&self.url(), self.scratch, error)
    }

    /// The name of the remote in errors.
    pub(super) fn url(&self) -> String {
        self.remote.url.to_string()
    }
}

impl Wanted {
    /// All that has to be there.
    pub(super) fn names(&self) -> Vec<ObjectId> {
        [Some(self.id), self.tag].into_iter().flatten().collect()
    }
}
