//! What can go wrong with a Git remote, by meaning.

use std::io;
use std::path::{Path, PathBuf};

use headwater_http::{SafeUrl, Unusable};

/// Why a reference could not be resolved or fetched.
///
/// `url` is the remote's without user, password and query. Text that a server sent is shortened, escaped and freed of credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, a connection that broke, or an answer that is no success and has no variant of its own.
    #[error("unable to clone '{url}': {message}")]
    Unreachable {
        /// The remote.
        url: String,
        /// What happened.
        message: String,
    },
    /// The server wants credentials, or does not accept these (401).
    #[error("unable to clone '{url}': authentication required")]
    AuthenticationRequired {
        /// The remote.
        url: String,
    },
    /// The credentials are known, but do not suffice (403).
    #[error("unable to clone '{url}': authorization failed")]
    AuthorizationFailed {
        /// The remote.
        url: String,
    },
    /// There is no repository at the URL (404, 410), or what is there does not speak Git.
    #[error("unable to clone '{url}': repository not found")]
    RepositoryNotFound {
        /// The remote.
        url: String,
    },
    /// The repository has no reference at all.
    #[error("git repository is empty")]
    EmptyRepository {
        /// The remote.
        url: String,
    },
    /// The remote does not have the reference.
    #[error("unable to clone '{url}': couldn't find remote ref {name:?}")]
    RefNotFound {
        /// The remote.
        url: String,
        /// The full name of the reference.
        name: String,
    },
    /// A reference asked for by its full name is not there.
    #[error("unable to resolve ref '{name}' to a specific commit")]
    NameNotFound {
        /// The full name of the reference.
        name: String,
    },
    /// No tag lies in the range.
    #[error("no match found for semver: {range}")]
    NoSemverMatch {
        /// The range as it was given.
        range: String,
    },
    /// The version range does not parse.
    #[error("semver parse error: {0}")]
    InvalidSemver(#[from] headwater_version::Error),
    /// The regular expression over tags does not compile.
    #[error("invalid semver filter '{filter}': {why}")]
    InvalidFilter {
        /// The expression as it was given.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
    /// The remote does not have the commit, or it is no commit.
    #[error("unable to resolve commit object for '{id}': object not found")]
    CommitNotFound {
        /// The commit as it was given.
        id: String,
    },
    /// A reference that no remote can have.
    #[error("ref {name} is invalid; {why}")]
    InvalidReference {
        /// The name, escaped.
        name: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// Neither `http` nor `https`, nor `file` where that is allowed.
    #[error("unable to clone '{url}': unsupported scheme '{scheme}'")]
    UnsupportedScheme {
        /// The remote.
        url: String,
        /// The scheme that was given.
        scheme: String,
    },
    /// The certificates to trust are not PEM.
    #[error("unable to clone '{url}': the CA is not a bundle of PEM certificates")]
    InvalidCa {
        /// The remote.
        url: String,
    },
    /// The credentials hold characters that HTTP cannot carry.
    #[error("unable to clone '{url}': the credentials cannot be sent in an HTTP header")]
    InvalidCredentials {
        /// The remote.
        url: String,
    },
    /// The client certificate, its key, or both do not fit.
    #[error("unable to clone '{url}': {message}")]
    InvalidCertificate {
        /// The remote.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// The proxy cannot be used as it is configured.
    #[error("unable to clone '{url}': {message}")]
    InvalidProxy {
        /// The remote.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// The proxy wants credentials, or does not accept these (407).
    #[error("unable to clone '{url}': Proxy Authentication Required: the proxy {proxy} does not accept the credentials for it")]
    ProxyAuthenticationRequired {
        /// The remote.
        url: String,
        /// The proxy, without user and password.
        proxy: String,
    },
    /// Private key, passphrase, `known_hosts` or algorithms for ssh cannot be used.
    #[error("unable to construct auth method with options: {message}")]
    InvalidSsh {
        /// What is wrong.
        message: String,
    },
    /// The ssh server shows a host key that is not trusted.
    #[error("unable to clone '{url}': ssh: handshake failed: {message}")]
    HostKeyRefused {
        /// The remote.
        url: String,
        /// Which key, and what is known of the host.
        message: String,
    },
    /// The ssh server does not accept the private key.
    #[error("unable to clone '{url}': {message}")]
    LoginRefused {
        /// The remote.
        url: String,
        /// Who was not let in.
        message: String,
    },
    /// Something is larger than a setting allows.
    #[error("unable to clone '{url}': {what} exceeds --{setting}")]
    TooLarge {
        /// The remote.
        url: String,
        /// What is too large.
        what: String,
        /// The setting, without dashes before it.
        setting: &'static str,
    },
    /// The tree has an entry that must never be written to a disk.
    #[error("unable to clone '{url}': refusing tree entry {path:?}: {why}")]
    BadTree {
        /// The remote.
        url: String,
        /// The path of the entry, escaped.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server sent what is not Git, or not what was asked for.
    #[error("unable to clone '{url}': {message}")]
    Corrupt {
        /// The remote.
        url: String,
        /// What did not fit.
        message: String,
    },
    /// A file that Git LFS keeps elsewhere could not be had.
    #[error("unable to fetch the Git LFS file {path:?} of '{url}': {message}")]
    Lfs {
        /// The remote.
        url: String,
        /// The path of the file in its tree, shortened.
        path: String,
        /// What happened.
        message: String,
    },
    /// The scratch directory could not be written or read.
    #[error("unable to store objects of '{url}': {message}")]
    Scratch {
        /// The remote.
        url: String,
        /// What happened.
        message: String,
    },
    /// A submodule cannot be had.
    #[error("unable to clone '{url}': submodule '{path}': {cause}")]
    Submodule {
        /// The remote whose tree the submodule is in.
        url: String,
        /// Where it belongs in the whole tree, shortened.
        path: String,
        /// Why not.
        cause: Box<Error>,
    },
    /// A submodule is not where one can be.
    #[error("{why}")]
    BadSubmodule {
        /// What is wrong with its URL or its place.
        why: String,
    },
    /// A folder that is to be checked out is not in the tree.
    #[error(
        "failed to sparse checkout directories : sparse checkout dir '{folder}' does not exist in repository: \
         lstat {}: no such file or directory", place.display()
    )]
    NoFolder {
        /// The folder as it was given.
        folder: String,
        /// Where it would be in a checkout among temporary files, the same each time.
        place: PathBuf,
    },
    /// The disk that receives objects is full.
    #[error("unable to store objects of '{url}': no space left on the disk of {}", place.display())]
    DiskFull {
        /// The remote.
        url: String,
        /// The folder that was written to.
        place: PathBuf,
    },
    /// The time of the whole pass is over.
    #[error("unable to clone '{url}': context deadline exceeded")]
    Deadline {
        /// The remote.
        url: String,
    },
    /// It took too long.
    #[error("unable to clone '{url}': timed out waiting for {what}")]
    Timeout {
        /// The remote.
        url: String,
        /// What did not come in time.
        what: String,
    },
    /// The work was stopped from outside.
    #[error("unable to clone '{url}': cancelled")]
    Cancelled {
        /// The remote.
        url: String,
    },
}

impl Error {
    /// The error of the remote at `url`, for which there is no HTTP client.
    pub fn unusable(url: &SafeUrl, why: Unusable) -> Self {
        let url = url.to_string();
        match why {
            Unusable::Ca => Self::InvalidCa { url },
            Unusable::Certificate(message) => Self::InvalidCertificate { url, message: message.to_owned() },
            Unusable::Proxy(message) => Self::InvalidProxy { url, message },
        }
    }

    /// What it means that `place` could not be written or read.
    pub(super) fn disk(url: &str, place: &Path, error: &(dyn std::error::Error + 'static)) -> Self {
        let url = url.to_owned();
        if is_full(error) { Self::DiskFull { url, place: place.to_owned() } } else { Self::Scratch { url, message: error.to_string() } }
    }

    /// Whether a disk was full, be it for a submodule.
    pub(super) fn is_disk_full(&self) -> bool {
        match self {
            Self::DiskFull { .. } => true,
            Self::Submodule { cause, .. } => cause.is_disk_full(),
            _ => false,
        }
    }
}

/// Whether there was no more room.
pub(super) fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let full = |error: &(dyn std::error::Error + 'static)| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    };
    std::iter::successors(Some(error), |error| error.source()).any(full)
}
