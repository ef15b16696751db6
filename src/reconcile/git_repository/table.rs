//! Which failure a Git or storage error is: mark, reason and fate.

use headwater_api::reason;
use headwater_http::printable_url;

use crate::reconcile::failure::{Failure, chain};
use headwater_git as git;

/// What every failure to reach or read the repository begins with.
const CHECKOUT: &str = "failed to checkout and determine revision";

impl From<git::Error> for Failure {
    fn from(error: git::Error) -> Self {
        match error {
            git::Error::EmptyRepository { .. } => Failure::fetch("EmptyGitRepository", "git repository is empty"),
            git::Error::NoFolder { .. } => Failure::fetch(reason::GIT_OPERATION_FAILED, error),
            git::Error::InvalidFilter { .. } => Failure::fetch("InvalidSemverFilter", error).stalled(),
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
    let url = printable_url(url);
    Failure::fetch(reason::GIT_OPERATION_FAILED, format!("{CHECKOUT}: unable to clone '{url}': context deadline exceeded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_mark_reason_fate_and_message() {
        let url = || "https://git.example/r".to_owned();
        let text = |text: &str| text.to_owned();
        let full = || std::io::Error::other("No space left on device");
        let failures: [Failure; 17] = [
            git::Error::Unreachable { url: url(), message: text("connection refused") }.into(),
            git::Error::AuthenticationRequired { url: url() }.into(),
            git::Error::AuthorizationFailed { url: url() }.into(),
            git::Error::RepositoryNotFound { url: url() }.into(),
            git::Error::EmptyRepository { url: url() }.into(),
            git::Error::RefNotFound { url: url(), name: text("refs/heads/gone") }.into(),
            git::Error::NameNotFound { name: text("refs/pull/7/head") }.into(),
            git::Error::InvalidFilter { filter: text("("), why: text("unclosed group") }.into(),
            git::Error::NoFolder { folder: text("gone"), place: "/tmp/x/gone".into() }.into(),
            git::Error::NoSemverMatch { range: text(">=3") }.into(),
            git::Error::CommitNotFound { id: text("0123") }.into(),
            git::Error::TooLarge { url: url(), what: text("a file"), setting: "git-max-blob-size" }.into(),
            git::Error::BadTree { url: url(), path: text("../x"), why: text("it leads out of the tree") }.into(),
            git::Error::Timeout { url: url(), what: text("references") }.into(),
            headwater_storage::Error::Directory { path: "d".into(), source: full() }.into(),
            headwater_storage::Error::Write { path: "d/f".into(), source: full() }.into(),
            timed_out("https://user:secret@git.example/r?token=secret"),
        ];
        let lines: Vec<_> = failures.iter().map(|f| format!("{:?} {} {:?}: {}", f.mark, f.reason, f.fate, f.message())).collect();
        insta::assert_debug_snapshot!(lines);
    }
}
