//! Objects of a repository on this machine.

use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;
use tokio::io::AsyncReadExt as _;

use super::object::{Flaw, Incoming};
use super::{Place, Wanted};
use crate::Error;

const CHUNK: usize = 64 << 10;

/// Copies objects out of the repository's own store.
pub(super) async fn copy(place: &Place<'_>, wanted: &[&Wanted]) -> Result<(), Error> {
    let store = store(place).await?;
    for one in wanted {
        copy_one(place, &store, one).await?;
    }
    Ok(())
}

async fn copy_one(place: &Place<'_>, store: &Path, wanted: &Wanted) -> Result<(), Error> {
    let (path, oid) = (wanted.path.as_bstr(), &wanted.pointer.oid);
    let mut incoming = Incoming::new(place.folder, &wanted.pointer).map_err(|error| place.disk(&error))?;
    if wanted.pointer.size > 0 {
        let object = store.join(&oid[..2]).join(&oid[2..4]).join(oid);
        // Neither pipes nor devices, which could wait forever.
        let file = if object.is_file() { tokio::fs::File::open(&object).await.ok() } else { None };
        let absent = || place.flawed(path, format!("the repository's lfs/objects does not have the object {oid}"));
        let mut file = file.ok_or_else(absent)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = place.wait("a file on this machine", file.read(&mut chunk)).await?;
            let read = read.map_err(|error| place.flawed(path, format!("the object {oid} cannot be read: {error}")))?;
            if read == 0 {
                break;
            }
            incoming.write(&chunk[..read]).await.map_err(|flaw| place.not_kept(wanted, &flaw))?;
        }
    }
    incoming.finish().await.map_err(|flaw| place.not_kept(wanted, &flaw))
}

/// The folder that Git LFS keeps the objects of a repository in.
async fn store(place: &Place<'_>) -> Result<PathBuf, Error> {
    let missing = || Error::RepositoryNotFound { url: place.url.clone() };
    let folder = place.remote.url.to_file_path().map_err(|()| missing())?;
    let open = move || {
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Reduced);
        gix::ThreadSafeRepository::open_opts(folder, options).map(|repo| repo.to_thread_local().common_dir().join("lfs/objects"))
    };
    let opened = place.wait("a repository on this machine", tokio::task::spawn_blocking(open)).await?;
    opened.ok().and_then(Result::ok).ok_or_else(missing)
}

impl Place<'_> {
    /// The error for a file that could not be kept.
    pub(super) fn not_kept(&self, wanted: &Wanted, flaw: &Flaw) -> Error {
        match flaw {
            Flaw::Disk(error) => self.disk(error),
            other => self.flawed(wanted.path.as_bstr(), format!("the object {}: {other}", wanted.pointer.oid)),
        }
    }
}
