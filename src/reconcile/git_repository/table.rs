//! Which failure a Git or storage error is: mark, reason and fate.

use headwater_api::reason;

use super::plan;
use crate::fetch::git;
use crate::reconcile::failure::{Failure, chain};

/// What every failure to reach or read the repository begins with.
const CHECKOUT: &str = "failed to checkout and determine revision";

impl From<git::Error> for Failure {
    fn from(error: git::Error) -> Self {
        match error {
            git::Error::EmptyRepository { .. } => Failure::fetch("EmptyGitRepository", "git repository is empty"),
            other => Failure::fetch(reason::GIT_OPERATION_FAILED, format!("{CHECKOUT}: {other}")),
        }
    }
}

impl From<headwater_storage::Error> for Failure {
    fn from(error: headwater_storage::Error) -> Self {
        use headwater_storage::Error;
        match error {
            Error::Directory { .. } => {
                Failure::storage(reason::DIR_CREATION_FAILED, format!("failed to create artifact directory: {}", chain(&error)))
            }
            other => {
                Failure::storage(reason::ARCHIVE_OPERATION_FAILED, format!("unable to archive artifact to storage: {}", chain(&other)))
            }
        }
    }
}

/// A pass that met its deadline.
pub fn timed_out(url: &str) -> Failure {
    let url = plan::shown(url);
    Failure::fetch(reason::GIT_OPERATION_FAILED, format!("{CHECKOUT}: unable to clone '{url}': context deadline exceeded"))
}
