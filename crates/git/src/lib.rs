//! Git over HTTP, HTTPS and SSH: ask a remote what a reference is, then fetch just that commit. Where it is allowed, a repository on
//! this machine is read in place instead.
//!
//! Invariants: nothing waits beyond [`Remote::deadline`]; when the future of a pass is dropped, its network and disk work stops at
//! its next wait or object; credentials go to the scheme, host and port of [`Remote::url`] and nowhere else; no error text holds a credential.

mod access;
mod checkout;
mod content;
mod error;
mod http;
mod local;
mod mirror;
mod obtain;
mod pack;
mod resolve;
mod session;
mod ssh;
mod transport;
mod tree;
pub mod verify;
mod wire;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headwater_http::{Clients, Credentials, Proxy, SafeUrl, Trust};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use access::{Algorithms, Ssh};
pub use checkout::Checkout;
pub use error::Error;
pub use mirror::{Budget, Mirrors};

use obtain::Wanted;
use resolve::Greeted;

const MIB: u64 = 1 << 20;

/// A repository, how to be let in, and what a visit may cost.
#[derive(Debug, Clone)]
pub struct Remote {
    /// `http`, `https` or `ssh`, and `file` where [`Remote::local`] allows it. Its user name and password, if any, are used where
    /// [`Remote::credentials`] leave them empty.
    pub url: SafeUrl,
    /// Credentials for http and https.
    pub credentials: Credentials,
    /// Names the owner of credentials that are exchanged for others from time to time. Without it, the credentials do so themselves.
    pub identity: Option<String>,
    /// Certificates for https.
    pub trust: Trust,
    /// Credentials and trust for ssh.
    pub ssh: Option<Ssh>,
    /// The proxy on the way; without one, the environment's.
    pub proxy: Option<Proxy>,
    /// What ssh offers.
    pub algorithms: Algorithms,
    /// Bounds on what is read.
    pub limits: Limits,
    /// When this was asked for: an answer that others got from the same remote is as good, unless they asked before.
    pub asked: Instant,
    /// When everything must be over.
    pub deadline: Instant,
    /// Stops the work from outside.
    pub cancel: CancellationToken,
    /// Connection pools, one set for the process.
    pub clients: Clients,
    /// What was fetched before, one set for the process.
    pub mirrors: Mirrors,
    /// Whether `url` may name a folder of this machine.
    pub local: LocalRepositories,
}

/// Whether repositories on this machine (`file:///path`) may be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LocalRepositories {
    /// Their scheme is as unsupported as any other: who may write an object must not read the files of this machine.
    #[default]
    Refused,
    /// They are read in place: nothing is copied, written, locked or run. For processes whose user names the paths himself.
    Allowed,
}

/// Bounds on what one visit to a remote may read; an error names the setting that was exceeded.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most bytes of one list of references (`--git-max-refs-size`).
    pub refs_size: u64,
    /// The most bytes of a pack on the wire (`--git-max-pack-size`).
    pub pack_size: u64,
    /// The most bytes of one file (`--git-max-blob-size`).
    pub blob_size: u64,
    /// The most files and directories of a tree, and half the most objects of a pack (`--git-max-entries`).
    pub entries: u64,
    /// The most bytes of all files of a tree (`--git-max-tree-size`).
    pub tree_size: u64,
    /// The longest silence of a server (`--git-idle-timeout`).
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            refs_size: 64 * MIB,
            pack_size: 4096 * MIB,
            blob_size: 512 * MIB,
            entries: 2_000_000,
            tree_size: 8192 * MIB,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// What to check out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// The branch `master`, whatever the remote's HEAD says.
    Default,
    /// A branch by its short name.
    Branch(String),
    /// A tag by its short name; an annotated tag stands for the commit it leads to.
    Tag(String),
    /// The newest tag within a version range.
    Semver {
        /// The range.
        range: String,
        /// A regular expression that the names of tags have to match.
        filter: Option<String>,
    },
    /// Any reference by its full name, such as `refs/pull/7/head`.
    Name(String),
    /// One commit.
    Commit {
        /// 40 hexadecimal digits.
        id: String,
        /// A branch that must exist, and that the revision is named after.
        branch: Option<String>,
    },
}

/// What a reference stands for at the remote now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub id: gix::ObjectId,
    /// The revision as it is published: `main@sha1:…`, `refs/pull/7/head@sha1:…`, or `sha1:…` for a commit alone.
    pub revision: String,
    /// The tip of the branch whose history must hold the commit, where one was named.
    pub tip: Option<gix::ObjectId>,
    /// The tag that led to the commit.
    pub tag: Option<Tag>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its short name.
    pub name: String,
    /// Its own object, if it is an annotated one.
    pub object: Option<gix::ObjectId>,
}

/// What of a commit goes into a checkout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// What becomes of submodules.
    pub submodules: Submodules,
    /// Folders to take; all if there is none. Relative, with slashes.
    pub sparse: Vec<String>,
    /// What becomes of files that Git LFS keeps elsewhere.
    pub lfs: Lfs,
    /// What becomes of symbolic links.
    pub symlinks: Symlinks,
}

/// What becomes of submodules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Submodules {
    /// They are empty folders.
    #[default]
    Empty,
    /// They are fetched, and those within them.
    Recursive,
}

/// What becomes of files that Git LFS keeps elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lfs {
    /// They stay the pointers that Git knows.
    #[default]
    Pointers,
    /// They are fetched.
    Files,
}

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// They are left out.
    #[default]
    Skip,
    /// Those that stay inside the tree are kept.
    Keep,
}

/// Asks the remote what `reference` is: one list of references, narrowed to those that matter, after a handshake where none was
/// had lately. A commit alone costs the handshake. Who asks the same at the same time with the same credentials shares the answer.
///
/// # Errors
/// See [`Error`]. [`Error::EmptyRepository`] only where a branch was asked for.
pub async fn resolve(remote: &Remote, reference: &Reference) -> Result<Head, Error> {
    if local::may_be(remote) {
        let reference = reference.clone();
        return supervised(remote, move |remote, _, interrupt| local::resolve(remote, &reference, interrupt)).await;
    }
    let mirror = remote.mirrors.of(remote);
    let mut heads = mirror.turn_to_ask(remote).await?;
    if let Some(head) = mirror::heard(&heads, reference, remote.asked) {
        return Ok(head);
    }
    let (asked, wanted) = (Instant::now(), reference.clone());
    let head = supervised(remote, move |remote, token, _| {
        obtain::visit(remote, &mirror, &token, |session| resolve::resolve(&mut Greeted::new(session), &wanted))
    })
    .await?;
    mirror::hear(&mut heads, reference.clone(), asked, head.clone());
    Ok(head)
}

/// Fetches what `content` says of the tree of `head`, without history; what is in a mirror already costs nothing on the wire.
/// `scratch` is a fresh directory that the caller removes once the [`Checkout`] is dropped. A repository on this machine is read
/// in place.
///
/// # Errors
/// See [`Error`].
pub async fn fetch(remote: &Remote, head: &Head, content: &Content, scratch: &Path) -> Result<Checkout, Error> {
    content::gather(remote, Wanted::from(head), content, scratch).await
}

/// Runs blocking Git work on its own thread and sees to it that it ends: by itself, at the deadline, when the remote's token
/// is cancelled, or when this future is dropped.
async fn supervised<T: Send + 'static>(
    remote: &Remote,
    work: impl FnOnce(&Remote, CancellationToken, &AtomicBool) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let stop = Stop { token: remote.cancel.child_token(), interrupt: Arc::default() };
    let url = remote.url.to_string();
    let mut task = tokio::task::spawn_blocking({
        let (remote, token, interrupt) = (remote.clone(), stop.token.clone(), Arc::clone(&stop.interrupt));
        move || work(&remote, token, &interrupt)
    });
    let late = tokio::select! {
        done = &mut task => return done.map_err(|error| ended(url, &error))?,
        () = remote.cancel.cancelled() => Error::Cancelled { url },
        () = tokio::time::sleep_until(remote.deadline) => Error::Deadline { url },
    };
    drop(stop);
    // The thread notices at its next wait or object; nothing of it is left when the caller goes on.
    match task.await {
        Ok(Ok(done)) => Ok(done),
        _ => Err(late),
    }
}

/// Why work that did not come to its own end has none.
fn ended(url: String, error: &tokio::task::JoinError) -> Error {
    if error.is_panic() {
        tracing::error!(url, %error, "reading a Git repository ended unexpectedly; please report this");
        return Error::Corrupt { url, message: "what the server sent could not be understood".into() };
    }
    Error::Cancelled { url }
}

/// Stops the blocking side when it goes out of scope.
struct Stop {
    token: CancellationToken,
    interrupt: Arc<AtomicBool>,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.token.cancel();
        self.interrupt.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
