//! SSH algorithms, tokens and service accounts.

use std::path::PathBuf;
use std::time::Duration;

use super::parse;

/// How sources are authenticated to, beyond what their Secrets say.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Authentication")]
pub struct Auth {
    /// SSH key exchange algorithms, the preferred first, comma separated.
    #[arg(id = "ssh-kex-algos", long = "ssh-kex-algos", value_delimiter = ',', action = clap::ArgAction::Append)]
    pub ssh_kex_algos: Vec<String>,
    /// SSH host key algorithms, the preferred first, comma separated.
    #[arg(id = "ssh-hostkey-algos", long = "ssh-hostkey-algos", value_delimiter = ',', action = clap::ArgAction::Append)]
    pub ssh_hostkey_algos: Vec<String>,
    /// The service account for workload identity where an object names none.
    #[arg(id = "default-service-account", long = "default-service-account", default_value = "")]
    pub default_service_account: String,
    /// Whom to trust about keyless signatures: a `trusted_root.json` of Sigstore. By default the public instance, as it was when this
    /// program was built.
    #[arg(id = "sigstore-trusted-root", long = "sigstore-trusted-root", value_name = "FILE")]
    pub sigstore_trusted_root: Option<PathBuf>,
    /// How many tokens are kept in memory; 0 turns the cache off.
    #[arg(id = "token-cache-max-size", long = "token-cache-max-size", default_value_t = 100)]
    pub token_cache_max_size: u32,
    /// For how long a token is kept at most.
    #[arg(id = "token-cache-max-duration", long = "token-cache-max-duration", default_value = "1h0m0s", value_parser = parse::duration)]
    pub token_cache_max_duration: Duration,
}
