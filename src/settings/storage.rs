//! Artifact storage, and the server in front of it.

use std::{path::PathBuf, time::Duration};

use clap::builder::TypedValueParser;

use super::{Error, parse};

/// Where artifacts are kept, for how long, and under which address they are offered.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Storage")]
pub struct Storage {
    /// The directory in which artifacts are stored.
    #[arg(id = "storage-path", long = "storage-path", env = "STORAGE_PATH", default_value = "/data", value_parser = parse::or("/data").map(PathBuf::from))]
    pub path: PathBuf,
    /// The address that the artifact server binds to.
    #[arg(id = "storage-addr", long = "storage-addr", env = "STORAGE_ADDRESS", default_value = ":9090", value_parser = parse::or(":9090"))]
    pub addr: String,
    /// The address that clients are told, host or host:port, with a scheme if need be.
    #[arg(id = "storage-adv-addr", long = "storage-adv-addr", env = "STORAGE_ADV_ADDR", default_value = "")]
    pub adv_addr: String,
    /// For how long a replaced artifact is kept.
    #[arg(id = "artifact-retention-ttl", long = "artifact-retention-ttl", default_value = "1m0s", value_parser = parse::duration)]
    pub retention_ttl: Duration,
    /// How many artifacts of an object are kept at most after a collection.
    #[arg(id = "artifact-retention-records", long = "artifact-retention-records", default_value_t = 2)]
    pub retention_records: usize,
    /// The algorithm of artifact digests.
    #[arg(id = "artifact-digest-algo", long = "artifact-digest-algo", default_value = "sha256",
        value_parser = ["sha256", "sha384", "sha512", "blake3"])]
    pub digest_algo: String,
}

impl Storage {
    /// The address that artifact URLs are made of: the advertised one as it was given, otherwise the one the
    /// server binds to, with this machine's name in place of a wildcard.
    ///
    /// # Errors
    /// [`Error::StorageAddress`] when nothing is advertised and `--storage-addr` is not host:port.
    pub fn advertised(&self) -> Result<String, Error> {
        if !self.adv_addr.is_empty() {
            return Ok(self.adv_addr.clone());
        }
        let invalid = || Error::StorageAddress(self.addr.clone());
        let (host, port) = self.addr.rsplit_once(':').ok_or_else(invalid)?;
        if port.parse::<u16>().is_err() || (host.contains(':') && !(host.starts_with('[') && host.ends_with(']'))) {
            return Err(invalid());
        }
        Ok(match host {
            "" => format!("localhost:{port}"),
            "0.0.0.0" => format!("{}:{port}", host_name().ok_or_else(invalid)?),
            host => format!("{host}:{port}"),
        })
    }
}

/// The name of this machine as its environment has it, or else its kernel.
pub fn host_name() -> Option<String> {
    let known = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    known.or_else(machine_name)
}

/// The name of this machine as its kernel has it.
pub fn machine_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
