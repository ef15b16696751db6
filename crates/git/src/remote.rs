//! A remote: the address of a repository, the ways to be let in, and bounds on a visit.

use std::time::Duration;

use headwater_http::{Clients, Credentials, Proxy, SafeUrl, Trust};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Algorithms, Mirrors, Ssh};

const MIB: u64 = 1 << 20;

/// A repository, the ways to be let in, and bounds on a visit.
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
    /// Algorithms that ssh offers.
    pub algorithms: Algorithms,
    /// Bounds on what is read.
    pub limits: Limits,
    /// The time of the request for it: an answer that others got from the same remote is as good, unless they asked before.
    pub asked: Instant,
    /// The time when everything must be over.
    pub deadline: Instant,
    /// Stops the work from outside.
    pub cancel: CancellationToken,
    /// Connection pools, one set for the process.
    pub clients: Clients,
    /// Earlier fetches, one set for the process.
    pub mirrors: Mirrors,
    /// Permission for `url` to name a folder of this machine.
    pub local: LocalRepositories,
}

/// Permission to read repositories on this machine (`file:///path`).
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
