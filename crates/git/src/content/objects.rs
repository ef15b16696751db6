//! Reading objects of a part, and noticing when they are not what they were.

use bstr::BString;
use gix::objs::{CommitRef, Kind, TagRef};
use gix::prelude::{Find as _, HeaderExt as _};
use gix::{ObjectId, oid};

use crate::Error;
use crate::obtain::{Part, Trust};

/// The most tags that lead from one to the next.
const MAX_TAGS: usize = 10;

/// The objects of one part, for one thread.
pub(crate) struct Objects {
    handle: gix::OdbHandle,
    trust: Trust,
    url: String,
}

impl Objects {
    /// Those of `part`, whose remote is called `url` in errors.
    pub(crate) fn new(part: &Part, url: &str) -> Self {
        Self { handle: part.repo.to_thread_local().objects, trust: part.trust, url: url.to_owned() }
    }

    /// How the remote is called in errors.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Fills `buffer` with an object. One that lay on a disk for a while has to have its id still.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not there, or not whole, or of another kind.
    pub(crate) fn read(&self, id: &oid, kind: Kind, buffer: &mut Vec<u8>) -> Result<(), Error> {
        // Where Git packs a local repository meanwhile, the object may have moved during the first look.
        for _ in 0..2 {
            match self.handle.try_find(id, buffer) {
                Ok(Some(found)) if found.kind == kind => return self.check(id, kind, buffer),
                _ => {}
            }
        }
        Err(self.damaged(id, "is not there"))
    }

    /// The length of an object.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not there.
    pub(crate) fn size(&self, id: &oid) -> Result<u64, Error> {
        self.handle.header(id).map(|header| header.size()).map_err(|_| self.damaged(id, "is not there"))
    }

    /// A commit: its tree, and all of it as it was signed.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] when it is not there, [`Error::Corrupt`] when it is no longer what it was.
    pub(crate) fn commit(&self, id: &oid) -> Result<(ObjectId, BString), Error> {
        let missing = || Error::CommitNotFound { id: id.to_string() };
        let mut raw = Vec::new();
        match self.handle.try_find(id, &mut raw) {
            Ok(Some(found)) if found.kind == Kind::Commit => {}
            _ => return Err(missing()),
        }
        self.check(id, Kind::Commit, &raw)?;
        let tree = CommitRef::from_bytes(&raw, gix::hash::Kind::Sha1).map_err(|_| missing())?.tree();
        Ok((tree, raw.into()))
    }

    /// A tag as it was signed, after making sure that it leads to `commit`: what the server says of that is not signed.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it does not, or is not what it was.
    pub(crate) fn tag(&self, id: &oid, commit: &oid) -> Result<BString, Error> {
        let mut raw = Vec::new();
        self.read(id, Kind::Tag, &mut raw)?;
        let (mut next, mut current) = (raw.clone(), id.to_owned());
        for _ in 0..MAX_TAGS {
            let tag = TagRef::from_bytes(&next, gix::hash::Kind::Sha1).map_err(|_| self.damaged(&current, "is no tag"))?;
            let (target, kind) = (tag.target(), tag.target_kind);
            if target == commit {
                return Ok(raw.into());
            }
            if kind != Kind::Tag {
                break;
            }
            current = target;
            next.clear();
            self.read(&current, Kind::Tag, &mut next)?;
        }
        Err(self.damaged(id, &format!("is a tag that does not lead to {commit}, as the server says")))
    }

    fn check(&self, id: &oid, kind: Kind, object: &[u8]) -> Result<(), Error> {
        if self.trust == Trust::Received {
            return Ok(());
        }
        match gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, object) {
            Ok(computed) if computed == id => Ok(()),
            _ => Err(self.damaged(id, "is damaged")),
        }
    }

    fn damaged(&self, id: &oid, how: &str) -> Error {
        Error::Corrupt { url: self.url.clone(), message: format!("object {id} {how}") }
    }
}
