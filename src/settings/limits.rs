//! Bounds on what is read from the network, so that no server can fill memory, disk or time.

use std::path::PathBuf;
use std::time::Duration;

use super::parse;

const MIB: u64 = 1 << 20;

/// How much a Git server may send, and how long it may take between two pieces.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// The largest list of references of a Git server, in bytes.
    #[arg(id = "git-max-refs-size", long = "git-max-refs-size", default_value_t = 64 * MIB)]
    pub git_max_refs_size: u64,
    /// The largest pack of one fetch, in bytes.
    #[arg(id = "git-max-pack-size", long = "git-max-pack-size", default_value_t = 4096 * MIB)]
    pub git_max_pack_size: u64,
    /// The largest file of a repository, in bytes.
    #[arg(id = "git-max-blob-size", long = "git-max-blob-size", default_value_t = 512 * MIB)]
    pub git_max_blob_size: u64,
    /// How many files and directories an artifact may hold.
    #[arg(id = "git-max-entries", long = "git-max-entries", default_value_t = 2_000_000)]
    pub git_max_entries: u64,
    /// How many bytes of files an artifact may hold, before compression.
    #[arg(id = "git-max-tree-size", long = "git-max-tree-size", default_value_t = 8192 * MIB)]
    pub git_max_tree_size: u64,
    /// For how long a Git server may be silent before the connection is given up.
    #[arg(id = "git-idle-timeout", long = "git-idle-timeout", default_value = "30s", value_parser = parse::duration)]
    pub git_idle_timeout: Duration,
    /// Where what was fetched from Git servers is kept, so that a new commit costs only its difference. A folder of its own; by
    /// default one below the system's temporary folder.
    #[arg(id = "git-mirror-path", long = "git-mirror-path")]
    pub git_mirror_path: Option<PathBuf>,
    /// How many bytes are kept there at most; 0 keeps nothing.
    #[arg(id = "git-mirror-max-size", long = "git-mirror-max-size", default_value_t = 4096 * MIB)]
    pub git_mirror_max_size: u64,
    /// What is kept for longer is fetched anew when something has changed.
    #[arg(id = "git-mirror-max-age", long = "git-mirror-max-age", default_value = "168h0m0s", value_parser = parse::duration)]
    pub git_mirror_max_age: Duration,
}
