//! From a commit to all files of its artifact: folders that are asked for, submodules, files of Git LFS, links.

mod large;
mod lfs;
mod links;
pub(crate) mod objects;
mod options;
pub(crate) mod paths;
mod sparse;
mod submodules;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bstr::{BStr, BString, ByteSlice as _};
use gix::ObjectId;
use gix::objs::Kind;
use headwater_http::without_user;
use headwater_storage::{Entry, Mode};
use url::Url;

pub use self::options::{Content, Lfs, Submodules, Symlinks};

use self::objects::Objects;
use self::paths::Paths;
use self::submodules::Module;
use crate::obtain::{self, Part, Wanted};
use crate::supervise::supervise;
use crate::tree::{self, Contents, Walk};
use crate::{Checkout, Error, Head, Limits, Reference, Remote, local};

/// The most attempts where a mirror or a local repository turns out to be damaged, or moves.
const ATTEMPTS: usize = 3;
/// Submodules within submodules beyond this are refused.
const MAX_DEPTH: usize = 16;
/// The most submodules of one checkout.
const MAX_SUBMODULES: usize = 1_000;
/// The folder that Git keeps its own files in.
const GIT: &str = ".git";

/// Fetches what `content` says of the tree of `head`, without history; what is in a mirror already costs nothing on the wire.
/// `scratch` is a fresh directory that the caller removes once the [`Checkout`] is dropped. A repository on this machine is read
/// in place.
///
/// # Errors
/// See [`Error`].
pub async fn fetch(remote: &Remote, head: &Head, content: &Content, scratch: &Path) -> Result<Checkout, Error> {
    let wanted = Wanted::from(head);
    let (mut attempt, mut cleared) = (1, false);
    loop {
        let mut gathering = Gathering::new(remote, content, scratch.join(attempt.to_string()));
        let done = gathering.run(wanted).await;
        if let Err(error) = &done
            && error.is_disk_full()
            && !cleared
        {
            cleared = true;
            tracing::warn!(%error, "removing mirrors of Git repositories to make room");
            remote.mirrors.clear();
        } else if done.is_ok() || attempt == ATTEMPTS || !gathering.is_worth_another() {
            return done;
        }
        attempt += 1;
    }
}

/// A checkout in the making.
struct Gathering<'a> {
    remote: &'a Remote,
    content: &'a Content,
    paths: Paths,
    scratch: PathBuf,
    places: Vec<Place>,
    entries: Vec<Entry>,
    bytes: u64,
    written: HashMap<BString, Vec<u8>>,
    /// An object that was to be read is not there, or not the same any more.
    damaged: bool,
}

/// A repository, and its place in the tree.
#[derive(Clone)]
struct Place {
    remote: Remote,
    part: Part,
    commit: ObjectId,
    /// The directory in the whole tree; empty for the root.
    mount: BString,
    /// The folder that Git would keep it in.
    folder: BString,
    /// The repositories that it is in, and itself.
    chain: Vec<(Url, ObjectId)>,
    notes: Vec<(BString, ObjectId)>,
    /// Its entries.
    range: Range<usize>,
}

/// A submodule of the place `parent`.
struct Inner {
    parent: usize,
    module: Module,
}

impl<'a> Gathering<'a> {
    fn new(remote: &'a Remote, content: &'a Content, scratch: PathBuf) -> Self {
        let paths = Paths::new(&content.sparse);
        let (places, entries, written) = (Vec::new(), Vec::new(), HashMap::new());
        Self { remote, content, paths, scratch, places, entries, bytes: 0, written, damaged: false }
    }

    async fn run(&mut self, wanted: Wanted) -> Result<Checkout, Error> {
        let part = self.root(wanted).await?;
        let chain = vec![(without_user(self.remote.url.clone().into_url()), wanted.id)];
        let root = Place {
            remote: self.remote.clone(),
            part,
            commit: wanted.id,
            mount: BString::default(),
            folder: GIT.into(),
            chain,
            notes: Vec::new(),
            range: 0..0,
        };
        let mut open = self.enter(root).await?;
        sparse::check(&self.content.sparse, &self.entries)?;
        while let Some(inner) = open.pop() {
            let entered = self.submodule(&inner).await;
            let more = entered.map_err(|cause| {
                let path = self.full(&inner).chars().take(256).filter(|c| !c.is_control()).collect();
                Error::Submodule { url: self.remote.url.to_string(), path, cause: Box::new(cause) }
            })?;
            open.extend(more);
        }
        if self.content.lfs == Lfs::Files {
            for place in self.places.clone() {
                self.large(place).await?;
            }
        }
        self.finish(wanted).await
    }

    /// The repository of the commit itself.
    async fn root(&self, wanted: Wanted) -> Result<Part, Error> {
        let scratch = self.scratch.join("0");
        if !local::may_be(self.remote)
            && !self.paths.is_all()
            && let Some(part) = sparse::obtain(self.remote, wanted, self.content, &self.paths, &scratch).await?
        {
            return Ok(part);
        }
        get(self.remote, wanted, &scratch).await
    }

    /// Lists what is in `place`, adds it to the whole, and tells which submodules belong into it.
    async fn enter(&mut self, mut place: Place) -> Result<Vec<Inner>, Error> {
        let at = self.places.len();
        self.places.push(place.clone());
        let (paths, limits) = (if at == 0 { self.paths.clone() } else { Paths::all() }, self.limits());
        // With folders to take, Flux leaves the places of submodules empty.
        let wanted = if self.content.sparse.is_empty() { self.content.submodules } else { Submodules::Empty };
        let listed = supervise(&place.remote, {
            let place = place.clone();
            move |_, _, interrupt| list(&place, &paths, limits, wanted, interrupt)
        });
        let (listing, modules) = self.noticing(listed.await)?;
        let begin = self.entries.len();
        self.entries.extend(listing.entries);
        self.bytes = self.bytes.saturating_add(listing.bytes);
        place.notes = listing.notes;
        place.range = begin..self.entries.len();
        self.places[at] = place;
        Ok(modules.into_iter().rev().map(|module| Inner { parent: at, module }).collect())
    }

    /// Fetches a submodule and enters it.
    async fn submodule(&mut self, inner: &Inner) -> Result<Vec<Inner>, Error> {
        let (Module { name, url, id, .. }, mount) = (&inner.module, self.full(inner));
        let refused = |why: String| Error::BadSubmodule { why };
        let parent = &self.places[inner.parent];
        let remote = submodules::remote(&parent.remote, url.as_bstr()).map_err(refused)?;
        let link = (without_user(remote.url.clone().into_url()), *id);
        if parent.chain.contains(&link) {
            return Err(refused("it holds itself".into()));
        }
        if parent.chain.len() > MAX_DEPTH {
            return Err(refused(format!("more than {MAX_DEPTH} submodules within each other")));
        }
        if self.places.len() > MAX_SUBMODULES {
            return Err(refused(format!("more than {MAX_SUBMODULES} submodules")));
        }
        let folder = submodules::folder(parent.folder.as_bstr(), name.as_bstr());
        let chain = parent.chain.iter().cloned().chain([link]).collect();
        if !local::may_be(&remote) {
            // What is kept is only for those whom the remote lets in now.
            crate::resolve(&remote, &Reference::Commit { id: id.to_string(), branch: None }).await?;
        }
        let part = get(&remote, Wanted::commit(*id), &self.scratch.join(self.places.len().to_string())).await?;
        self.write(&mount, submodules::pointer(mount.as_bstr(), folder.as_bstr()))?;
        self.enter(Place { remote, part, commit: *id, mount, folder, chain, notes: Vec::new(), range: 0..0 }).await
    }

    /// The path of a submodule in the whole tree.
    fn full(&self, inner: &Inner) -> BString {
        join(self.places[inner.parent].mount.as_bstr(), inner.module.path.as_bstr())
    }

    /// Adds the file that Git leaves in each submodule. No tree from outside can have an entry of that name.
    fn write(&mut self, mount: &BString, text: Vec<u8>) -> Result<(), Error> {
        let path = join(mount.as_bstr(), GIT.into());
        let url = || self.remote.url.to_string();
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Blob, &text)
            .map_err(|error| Error::Corrupt { url: url(), message: error.to_string() })?;
        let size = text.len() as u64;
        self.entries.push(Entry { path: path.clone(), mode: Mode::File, id: id.as_bytes().to_vec(), size });
        self.bytes = self.bytes.saturating_add(size);
        self.written.insert(path, text);
        Ok(())
    }

    /// Fetches the files that `place` holds pointers to.
    async fn large(&mut self, place: Place) -> Result<(), Error> {
        let (entries, remote) = (std::mem::take(&mut self.entries), place.remote.clone());
        let found = supervise(&remote, move |remote, _, interrupt| {
            let objects = Objects::new(&place.part, &remote.url.to_string());
            let large = large::find(&objects, place.mount.as_bstr(), &place.notes, &entries, place.range, interrupt)?;
            Ok((entries, large))
        });
        let (entries, large) = self.noticing(found.await)?;
        self.entries = entries;
        if large.wanted.is_empty() {
            return Ok(());
        }
        let pointers: u64 = large.entries.iter().map(|at| self.entries[*at].size).sum();
        self.bytes = self.bytes.saturating_sub(pointers);
        let room = self.remote.limits.tree_size.saturating_sub(self.bytes);
        lfs::download(&remote, large.config.as_deref(), &large.wanted, room, &self.large_files()).await?;
        for (wanted, at) in large.wanted.iter().zip(large.entries) {
            let entry = &mut self.entries[at];
            entry.size = wanted.pointer.size;
            // The digits were checked when the pointer was read.
            entry.id = hex::decode(&wanted.pointer.oid).unwrap_or_default();
            self.bytes = self.bytes.saturating_add(entry.size);
        }
        Ok(())
    }

    fn large_files(&self) -> PathBuf {
        self.scratch.join("large")
    }

    /// Looks at links, reads what signatures cover, and hands everything over.
    async fn finish(&mut self, wanted: Wanted) -> Result<Checkout, Error> {
        let (places, mut entries) = (self.places.clone(), std::mem::take(&mut self.entries));
        let (symlinks, written, large) = (self.content.symlinks, std::mem::take(&mut self.written), self.large_files());
        let finished = supervise(self.remote, move |remote, _, interrupt| {
            let url = remote.url.to_string();
            if symlinks == Symlinks::Keep {
                let mut targets = HashMap::new();
                for place in &places {
                    let objects = Objects::new(&place.part, &url);
                    links::targets(&objects, &entries[place.range.clone()], &mut targets, interrupt)?;
                }
                links::keep(&mut entries, &targets);
            }
            let parts: Vec<_> = places.into_iter().map(|place| (place.mount, place.part)).collect();
            let missing = || Error::CommitNotFound { id: wanted.id.to_string() };
            let objects = Objects::new(&parts.first().ok_or_else(missing)?.1, &url);
            let commit = objects.commit(&wanted.id)?.1;
            let tag = wanted.tag.map(|id| objects.tag(&id, &wanted.id));
            Ok(Checkout { url, commit, tag: tag.transpose()?, entries, parts, written, large })
        });
        self.noticing(finished.await)
    }

    /// The bounds on what comes now.
    fn limits(&self) -> Limits {
        let limits = self.remote.limits;
        Limits {
            entries: limits.entries.saturating_sub(self.entries.len() as u64),
            tree_size: limits.tree_size.saturating_sub(self.bytes),
            ..limits
        }
    }

    /// Notes whether reading failed for want of an object.
    fn noticing<T>(&mut self, done: Result<T, Error>) -> Result<T, Error> {
        self.damaged |= matches!(done, Err(Error::Corrupt { .. } | Error::CommitNotFound { .. }));
        done
    }

    /// True if it may help to begin again. What mirrors held until now does not count then.
    fn is_worth_another(&self) -> bool {
        // Each of them, not only the first.
        let again = |any, place: &Place| place.part.discard() || local::may_be(&place.remote) || any;
        self.damaged && self.places.iter().fold(false, again)
    }
}

/// Gets a commit from where it is.
async fn get(remote: &Remote, wanted: Wanted, scratch: &Path) -> Result<Part, Error> {
    if local::may_be(remote) {
        return supervise(remote, move |remote, _, interrupt| local::obtain(remote, wanted.id, wanted.tip, interrupt)).await;
    }
    obtain::obtain(remote, wanted, scratch).await
}

/// The entries of a place, with full paths, and the submodules that its tree names.
fn list(
    place: &Place,
    paths: &Paths,
    limits: Limits,
    wanted: Submodules,
    interrupt: &AtomicBool,
) -> Result<(tree::Listing, Vec<Module>), Error> {
    let url = place.remote.url.to_string();
    let objects = Objects::new(&place.part, &url);
    let mount = place.mount.as_bstr();
    let walk = Walk { objects: &objects, limits, mount, paths, contents: Contents::There, interrupt };
    let listing = walk.list(objects.commit(&place.commit)?.0)?;
    let file = join(mount, submodules::FILE.into());
    let file = listing.notes.iter().find(|(path, _)| *path == file && wanted == Submodules::Recursive);
    let Some((path, id)) = file else { return Ok((listing, Vec::new())) };
    let text = large::note(&objects, path.as_bstr(), id)?;
    let skip = if mount.is_empty() { 0 } else { mount.len() + 1 };
    let commits: BTreeMap<_, _> = listing.commits.iter().map(|(path, id)| (BString::from(&path[skip..]), *id)).collect();
    let modules = submodules::modules(&text, &url, &commits)?;
    Ok((listing, modules))
}

/// `path` in the directory `mount`.
fn join(mount: &BStr, path: &BStr) -> BString {
    if mount.is_empty() {
        return path.to_owned();
    }
    [mount.as_bytes(), b"/", path.as_bytes()].concat().into()
}
