//! What is reconciled, how often, and how many at once.

use std::time::Duration;

use super::parse;

/// The reconcilers' own settings.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Reconciliation")]
pub struct Reconciling {
    /// How many objects of a kind are reconciled at once.
    #[arg(id = "concurrent", long = "concurrent", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrent: u16,
    /// After which time an object whose dependency is not ready is looked at again.
    #[arg(id = "requeue-dependency", long = "requeue-dependency", default_value = "30s", value_parser = parse::duration)]
    pub requeue_dependency: Duration,
    /// Watch all namespaces; otherwise only the one this process runs in.
    #[arg(id = "watch-all-namespaces", long = "watch-all-namespaces", default_value = "true", value_parser = parse::switch,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        action = clap::ArgAction::Set)]
    pub watch_all_namespaces: bool,
    /// Watch only objects with matching labels, for example `sharding.fluxcd.io/key=shard1`.
    #[arg(id = "watch-label-selector", long = "watch-label-selector", default_value = "", value_parser = parse::selector, allow_hyphen_values = true)]
    pub watch_label_selector: String,
    /// Watch only ConfigMaps and Secrets with matching labels. Sources watch neither, so nothing depends on it.
    #[arg(id = "watch-configs-label-selector", long = "watch-configs-label-selector", default_value = "reconcile.fluxcd.io/watch=Enabled",
        value_parser = parse::selector, hide = true)]
    pub watch_configs_label_selector: String,
    /// By how many percent an interval is shortened or lengthened at random; less than 100.
    #[arg(id = "interval-jitter-percentage", long = "interval-jitter-percentage", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=99))]
    pub interval_jitter_percentage: u8,
    /// The shortest wait before a failed object is tried again; doubles with each failure.
    #[arg(id = "min-retry-delay", long = "min-retry-delay", default_value = "750ms", value_parser = parse::duration)]
    pub min_retry_delay: Duration,
    /// The longest wait before a failed object is tried again.
    #[arg(id = "max-retry-delay", long = "max-retry-delay", default_value = "15m0s", value_parser = parse::duration)]
    pub max_retry_delay: Duration,
    /// The namespace this process runs in.
    #[arg(id = "runtime-namespace", long = "runtime-namespace", env = "RUNTIME_NAMESPACE", default_value = "", hide = true)]
    pub runtime_namespace: String,
}

impl Reconciling {
    /// The one namespace to watch, or none for all of them. Without `RUNTIME_NAMESPACE` there is no narrowing.
    pub fn namespace(&self) -> Option<&str> {
        Some(self.runtime_namespace.as_str()).filter(|name| !self.watch_all_namespaces && !name.is_empty())
    }
}
