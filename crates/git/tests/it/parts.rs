//! A part of a repository and more than it: some folders, submodules, large files.

mod large;
mod sparse;
mod submodules;

use headwater_git::{Content, Error, Lfs, Submodules};
use headwater_testing::git::Repository;

use crate::client::{Client, Fetched, main};

/// Those folders alone.
fn folders(folders: &[&str]) -> Content {
    Content { sparse: folders.iter().map(|folder| (*folder).to_owned()).collect(), ..Content::default() }
}

/// Submodules as well.
fn recursive() -> Content {
    Content { submodules: Submodules::Recursive, ..Content::default() }
}

/// The files that Git LFS keeps.
fn lfs() -> Content {
    Content { lfs: Lfs::Files, ..Content::default() }
}

/// Fetches `main` from a URL, without credentials.
async fn get(url: &str, content: &Content) -> Result<Fetched, Error> {
    Client::new(url).get_part(&main(), content).await
}

/// Commits onto `main` a tree of entries (mode, name, object), which are in git's order.
fn commit(repository: &Repository, entries: &[(&str, &str, &str)]) -> String {
    let entries: Vec<_> = entries.iter().map(|(mode, name, object)| (*mode, name.as_bytes(), *object)).collect();
    repository.commit_tree("main", &repository.raw_tree(&entries))
}
