//! What the controller can be told: flags and environment, one small struct a concern.
//!
//! Names, defaults and forms are those of Flux's source-controller, so that its Deployments run unchanged:
//! `--flag value` and `--flag=value`, switches as `--switch` or `--switch=false` (never taking the next
//! argument), durations as Go writes them (`1h0m0s`), a repeated flag replacing the one before.

mod auth;
mod client;
mod controller;
mod events;
mod features;
mod helm;
mod leader;
mod limits;
mod observe;
mod parse;
mod standalone;
mod storage;

pub use auth::Auth;
pub use client::Client;
pub use controller::Reconciling;
pub use events::Events;
pub use features::{Gate, Gates};
pub use helm::{DigestCheck, Helm};
pub use leader::Leader;
pub use limits::Limits;
pub use observe::{Encoding, Level, Observe};
pub use standalone::Standalone;
pub use storage::{Storage, host_name, machine_name};

/// Why settings that parse one by one cannot be used together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The leader election durations contradict each other.
    #[error("--{longer} ({longer_value}) must be longer than --{shorter} ({shorter_value}){factor}")]
    Order {
        /// The flag whose value is too short.
        longer: &'static str,
        /// Its value in Go form.
        longer_value: String,
        /// The flag whose value is too long.
        shorter: &'static str,
        /// Its value in Go form.
        shorter_value: String,
        /// What else the shorter one is multiplied with, in words; may be empty.
        factor: &'static str,
    },
    /// A duration that must be more than nothing is zero.
    #[error("--{0} must be greater than zero")]
    Zero(&'static str),
    /// A default service account was named, but objects cannot use any.
    #[error("--default-service-account needs --feature-gates=ObjectLevelWorkloadIdentity=true")]
    WorkloadIdentity,
    /// The storage address cannot be split into host and port.
    #[error("invalid --storage-addr {0:?}: expected host:port or :port")]
    StorageAddress(String),
}

/// Everything that `headwater controller` can be told.
#[derive(Debug, Clone, clap::Args)]
#[command(args_override_self = true)]
pub struct Controller {
    /// Artifact storage and the artifact server.
    #[command(flatten)]
    pub storage: Storage,
    /// Where events go.
    #[command(flatten)]
    pub events: Events,
    /// Logs, metrics and health.
    #[command(flatten)]
    pub observe: Observe,
    /// The Kubernetes client.
    #[command(flatten)]
    pub client: Client,
    /// What is reconciled, how often and how many at once.
    #[command(flatten)]
    pub reconciling: Reconciling,
    /// Leader election.
    #[command(flatten)]
    pub leader: Leader,
    /// Helm repositories and charts.
    #[command(flatten)]
    pub helm: Helm,
    /// SSH algorithms, tokens and service accounts.
    #[command(flatten)]
    pub auth: Auth,
    /// Bounds on what is read from the network.
    #[command(flatten)]
    pub limits: Limits,
    /// Feature gates, comma separated: `Name=true,Other=false`.
    #[arg(id = "feature-gates", long = "feature-gates", value_name = "GATES", value_delimiter = ',', action = clap::ArgAction::Append)]
    feature_gates: Vec<Gate>,
}

impl Controller {
    /// The feature gates as they stand: the defaults, with what was given laid over them in order.
    pub fn gates(&self) -> Gates {
        Gates::with(&self.feature_gates)
    }

    /// Checks what no single flag can know.
    ///
    /// # Errors
    /// The first contradiction found, naming the flags.
    pub fn check(&self) -> Result<(), Error> {
        self.leader.check()?;
        if !self.auth.default_service_account.is_empty() && !self.gates().object_level_workload_identity {
            return Err(Error::WorkloadIdentity);
        }
        self.storage.advertised().map(drop)
    }

    /// The flags that were set to something, yet do nothing so far; to be reported once at start.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let mut flags = Vec::new();
        if self.gates().cache_secrets_and_config_maps {
            flags.push("feature-gates CacheSecretsAndConfigMaps");
        }
        flags
    }
}

#[cfg(test)]
mod tests;
