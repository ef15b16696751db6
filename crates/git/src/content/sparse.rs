//! Some folders of a tree, and only their files over the wire where the server can leave out the others.

use std::collections::HashSet;
use std::path::Path;

use bstr::{BStr, ByteSlice as _};
use gix::ObjectId;
use gix::protocol::transport::Protocol;
use headwater_storage::{Entry, Mode, joined};

use super::objects::Objects;
use super::paths::Paths;
use crate::obtain::{Fetch, Part, Trust, Wanted};
use crate::pack::{Depth, Request};
use crate::session::Session;
use crate::supervise::supervise;
use crate::tree::{Contents, Walk};
use crate::{Content, Error, Lfs, Remote, Symlinks};

/// The most files that are asked for at once.
const BATCH: usize = 2_000;

/// Makes sure that each of `folders` is there.
///
/// # Errors
/// [`Error::NoFolder`].
pub(super) fn check(folders: &[String], entries: &[Entry]) -> Result<(), Error> {
    let there: HashSet<&[u8]> = entries.iter().map(|entry| entry.path.as_slice()).collect();
    for folder in folders {
        let path = joined(folder.as_str().into());
        if !path.is_empty() && !there.contains(path.as_slice()) {
            let place = std::env::temp_dir().join("gitrepository").join(path.to_os_str_lossy());
            return Err(Error::NoFolder { folder: folder.clone(), place });
        }
    }
    Ok(())
}

/// Fetches a commit, its trees, and those files that `paths` hold. None where everything is to be fetched as usual: a mirror has
/// it, or the server does not leave out anything.
pub(super) async fn obtain(
    remote: &Remote,
    wanted: Wanted,
    content: &Content,
    paths: &Paths,
    scratch: &Path,
) -> Result<Option<Part>, Error> {
    let mirror = remote.mirrors.of(remote);
    let kept = mirror.turn(remote).await?.clone();
    if kept.is_some_and(|kept| !kept.is_condemned() && kept.has_all(&wanted.names())) {
        return Ok(None);
    }
    let (content, paths, scratch) = (content.clone(), paths.clone(), scratch.to_owned());
    supervise(remote, move |remote, token, interrupt| {
        let fetch = Fetch { remote, mirror: &mirror, token, interrupt, scratch: &scratch };
        match (Partly { fetch, content: &content, paths: &paths }).run(wanted) {
            // Some servers say that they can, but do not want to. If it is something else, the usual way meets it as well.
            Err(error @ (Error::CommitNotFound { .. } | Error::Corrupt { .. })) => {
                tracing::debug!(url = %remote.url, %error, "fetching some folders alone failed; fetching all");
                Ok(None)
            }
            done => done,
        }
    })
    .await
}

/// Fetching a part of a tree.
struct Partly<'a> {
    fetch: Fetch<'a>,
    content: &'a Content,
    paths: &'a Paths,
}

impl Partly<'_> {
    fn run(&self, wanted: Wanted) -> Result<Option<Part>, Error> {
        if !self.fetch.visit(can_leave_out)? {
            return Ok(None);
        }
        self.fetch.check_history(wanted)?;
        let folder = self.fetch.scratch.join("some");
        let wants = [wanted.object()];
        let request = Request { wants: &wants, haves: &[], depth: Depth::One, filter: Some("blob:none") };
        let mut repo = self.fetch.receive(request, &folder)?;
        let files = self.files(&repo, wanted.id)?;
        let mut bytes = 0_u64;
        for wants in files.chunks(BATCH) {
            repo = self.fetch.receive(Request { wants, haves: &[], depth: Depth::All, filter: None }, &folder)?;
            let objects = self.objects(&repo);
            for id in wants {
                bytes = bytes.saturating_add(objects.size(id)?);
            }
            if bytes > self.fetch.remote.limits.tree_size {
                return Err(Error::TooLarge { url: self.fetch.url(), what: "the tree".into(), setting: "git-max-tree-size" });
            }
        }
        Ok(Some(Part { repo, trust: Trust::Received, generation: None }))
    }

    /// The contents that are needed and not there.
    fn files(&self, repo: &gix::ThreadSafeRepository, commit: ObjectId) -> Result<Vec<ObjectId>, Error> {
        let objects = self.objects(repo);
        let walk = Walk {
            objects: &objects,
            limits: self.fetch.remote.limits,
            mount: BStr::new(""),
            paths: self.paths,
            contents: Contents::Later,
            interrupt: self.fetch.interrupt,
        };
        let listing = walk.list(objects.commit(&commit)?.0)?;
        let read = |mode| match mode {
            Mode::File | Mode::Executable => true,
            Mode::Symlink | Mode::Link => self.content.symlinks == Symlinks::Keep,
            Mode::Directory => false,
        };
        let files = listing.entries.iter().filter(|entry| read(entry.mode));
        let mut ids: Vec<_> = files.filter_map(|entry| ObjectId::try_from(entry.id.as_slice()).ok()).collect();
        if self.content.lfs == Lfs::Files {
            ids.extend(listing.notes.iter().map(|(_, id)| *id));
        }
        ids.sort_unstable();
        ids.dedup();
        // A server may have sent more than it had to.
        ids.retain(|id| objects.size(id).is_err());
        Ok(ids)
    }

    fn objects(&self, repo: &gix::ThreadSafeRepository) -> Objects {
        Objects::new(&Part { repo: repo.clone(), trust: Trust::Received, generation: None }, &self.fetch.url())
    }
}

/// True if the server leaves out what is not asked for, and gives away any object alone.
fn can_leave_out(session: &mut Session) -> Result<bool, Error> {
    let handshake = session.handshake()?;
    let fetch = handshake.capabilities.capability("fetch");
    Ok(handshake.server_protocol_version == Protocol::V2 && fetch.and_then(|fetch| fetch.supports("filter")).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(folders: &[&str]) -> Paths {
        Paths::new(&folders.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn paths_begin_letter_by_letter() {
        for (folders, path, held) in [
            (&["dir/sub"][..], "dir/sub/c", true),
            (&["dir/sub"], "dir/sub2/c", true),
            (&["dir/sub"], "dir/su", false),
            (&["dir/sub/"], "dir/sub2/c", false),
            (&["./other"], "other/o", true),
            (&["x", "other"], "other/o", true),
            (&["."], "a", false),
            (&["."], ".github/a", true),
            (&["./"], "a", true),
            (&[""], "a", true),
            (&["/dir"], "dir/a", false),
        ] {
            assert_eq!(paths(folders).hold(path.into()), held, "{folders:?} {path}");
        }
        for (folder, directory, leads) in [
            ("a/b", "a", true),
            ("a/b", "a/b", true),
            ("a/b", "a/bc", true),
            ("a/b", "ab", false),
            ("a/b", "a/c", false),
            ("a", "ab/c", true),
        ] {
            assert_eq!(paths(&[folder]).lead_into(directory.into()), leads, "{folder} {directory}");
        }
    }

    #[test]
    fn folders_that_are_not_there_are_named() {
        let entries = [Entry { path: "dir/a".into(), mode: Mode::File, id: Vec::new(), size: 0 }];
        let missing = |folder: &str| check(&[folder.to_owned()], &entries).err().map(|error| error.to_string());
        assert_eq!(missing("."), None);
        assert_eq!(missing("./dir//a"), None);
        assert_eq!(missing("../dir/a/."), None);
        let place = std::env::temp_dir().join("gitrepository/b").display().to_string();
        let text = "failed to sparse checkout directories : sparse checkout dir './b' does not exist in repository";
        let text = format!("{text}: lstat {place}: no such file or directory");
        assert_eq!(missing("./b").as_deref(), Some(text.as_str()));
    }
}
