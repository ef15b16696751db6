//! What other objects' artifacts add to an object's tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::AtomicBool;

use bstr::{BStr, BString, ByteSlice as _, ByteVec as _};
use headwater_api::git_repository::{GitRepository, GitRepositoryInclude};
use headwater_api::{Artifact, reason};
use headwater_storage::{Contents, Digest, Entry, Limits, Location, Mode, Reader, Storage, Unpacked, joined};
use kube::api::Api;
use kube::{Resource, ResourceExt};
use tempfile::TempDir;

use crate::reconcile::Ctx;
use crate::reconcile::failure::{Failure, chain};
use crate::telemetry;
use headwater_git::{self as git, Checkout};

/// The artifacts of the objects that `object` includes, in its order.
pub async fn artifacts(object: &GitRepository, cx: &Ctx) -> Result<Vec<Artifact>, Failure> {
    let api: Api<GitRepository> = Api::namespaced(cx.client.clone(), &object.namespace().unwrap_or_default());
    let mut found = Vec::new();
    for include in &object.spec.include {
        let name = &include.repository.name;
        let included = api.get(name).await.map_err(|error| {
            let why = match &error {
                kube::Error::Api(status) if status.code == 404 => {
                    format!("{}.{} \"{name}\" not found", GitRepository::kind(&()), GitRepository::group(&()))
                }
                other => telemetry::told(other),
            };
            let message = format!("could not get resource for include '{name}': {why}");
            Failure::waiting(reason::NOT_FOUND, cx.requeue_dependency, message)
        })?;
        let artifact = included.status.and_then(|status| status.artifact).ok_or_else(|| {
            let message = format!("no artifact available for include '{name}'");
            Failure::waiting(reason::NO_ARTIFACT, cx.requeue_dependency, message)
        })?;
        found.push(artifact);
    }
    Ok(found)
}

/// A checkout with what others add to it.
pub struct Tree {
    checkout: Checkout,
    entries: Vec<Entry>,
    included: Vec<Unpacked>,
    /// Goes when nothing reads from it any more.
    scratch: TempDir,
}

impl Tree {
    /// Adds to `checkout` what `includes` say of `artifacts`, one for each. `scratch` holds what is unpacked.
    pub fn new(
        checkout: Checkout,
        includes: &[GitRepositoryInclude],
        artifacts: &[Artifact],
        storage: &Storage,
        limits: git::Limits,
        scratch: TempDir,
        cancel: &AtomicBool,
    ) -> Result<Self, Failure> {
        let mut tree = Self { entries: checkout.entries().to_vec(), checkout, included: Vec::new(), scratch };
        let limits = Limits { bytes: limits.tree_size, entries: limits.entries, file: limits.blob_size };
        let size = |entries: &[Entry]| entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
        let mut room = limits.bytes.saturating_sub(size(&tree.entries));
        for (include, artifact) in includes.iter().zip(artifacts) {
            let failed = |why: String| {
                let (name, from, to) = (&include.repository.name, include.from_path(), include.to_path());
                Failure::storage(reason::COPY_FAILURE, format!("failed to copy '{name}' include from {from} to {to}: {why}"))
            };
            let at = Location::parse(&artifact.path).map_err(|error| failed(error.to_string()))?;
            let digest: Digest = artifact.digest.parse().map_err(|error: headwater_storage::Error| failed(error.to_string()))?;
            let from = BStr::new(include.from_path());
            let unpacked =
                storage.unpack(&at, Some(&digest), from, tree.scratch.path(), limits, cancel).map_err(|error| failed(chain(&error)))?;
            let taken = size(unpacked.entries());
            if taken > room {
                return Err(failed("the tree exceeds --git-max-tree-size".into()));
            }
            room -= taken;
            tree.add(unpacked, joined(include.to_path().into()).as_ref()).map_err(failed)?;
            if tree.entries.len() as u64 > limits.entries {
                return Err(failed("more files than --git-max-entries".into()));
            }
        }
        Ok(tree)
    }

    /// All entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The contents of all `.sourceignore` files, each with its directory (empty for the root).
    pub fn sourceignore(&self) -> Result<Vec<(BString, Vec<u8>)>, Failure> {
        let mut files: BTreeMap<BString, Vec<u8>> = self.checkout.sourceignore()?.into_iter().collect();
        let included = self.entries.iter().filter(|entry| self.source(entry).is_some());
        let found = headwater_storage::sourceignore(included, self.reader());
        // In place of the checkout's own, if it has one there.
        files
            .extend(found.map_err(|error| Failure::fetch("SourceIgnoreError", format!("failed to load source ignore patterns: {error}")))?);
        Ok(files.into_iter().collect())
    }

    /// See [`Checkout::discard`].
    pub fn discard(&self) -> bool {
        self.checkout.discard()
    }

    /// Puts what was unpacked at `to`, where nothing is yet, or a file in place of a file.
    fn add(&mut self, unpacked: Unpacked, to: &BStr) -> Result<(), String> {
        let there: BTreeMap<&BStr, Mode> = self.entries.iter().map(|entry| (entry.path.as_bstr(), entry.mode)).collect();
        let folders: BTreeSet<&BStr> = self.entries.iter().flat_map(|entry| parents(entry.path.as_bstr())).collect();
        if let Some(parent) = parents(to).find(|parent| there.get(parent).is_some_and(|mode| *mode != Mode::Directory)) {
            return Err(format!("'{parent}' is not a directory"));
        }
        let is_folder = to.is_empty() || folders.contains(to) || there.get(to) == Some(&Mode::Directory);
        if is_folder {
            return Err(format!("cannot put it at '{to}': the directory exists"));
        }
        if !unpacked.is_file() && there.contains_key(to) {
            return Err(format!("cannot put it at '{to}': there is a file"));
        }
        self.entries.retain(|entry| entry.path != to);
        if !unpacked.is_file() {
            self.entries.push(Entry { path: to.to_owned(), mode: Mode::Directory, id: Vec::new(), size: 0 });
        }
        for entry in unpacked.entries() {
            let mut path = to.to_owned();
            if !entry.path.is_empty() {
                path.push_byte(b'/');
                path.push_str(&entry.path);
            }
            // Links were judged by where they led within the other tree.
            let mode = if entry.mode == Mode::Link { Mode::Symlink } else { entry.mode };
            self.entries.push(Entry { path, mode, ..entry.clone() });
        }
        self.included.push(unpacked);
        Ok(())
    }

    /// Where an entry's contents come from, if not from the checkout.
    fn source(&self, entry: &Entry) -> Option<usize> {
        self.included.iter().position(|unpacked| unpacked.holds(&entry.id))
    }
}

impl Contents for Tree {
    fn reader(&self) -> Reader<'_> {
        let mut checkout = self.checkout.reader();
        let mut included: Vec<Reader<'_>> = self.included.iter().map(Contents::reader).collect();
        Box::new(move |entry: &Entry, out: &mut Vec<u8>| -> io::Result<()> {
            match self.source(entry).and_then(|at| included.get_mut(at)) {
                Some(reader) => reader(entry, out),
                None => checkout(entry, out),
            }
        })
    }
}

/// The folders above a path.
fn parents(path: &BStr) -> impl Iterator<Item = &BStr> {
    path.find_iter("/").map(move |slash| path[..slash].as_bstr())
}
