//! Helm repositories and charts.

use std::time::Duration;

use super::parse;

const MIB: u64 = 1 << 20;

/// Bounds on Helm files, and the cache of indexes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Helm")]
pub struct Helm {
    /// The largest repository index, in bytes.
    #[arg(id = "helm-index-max-size", long = "helm-index-max-size", default_value_t = 50 * MIB)]
    pub index_max_size: u64,
    /// The largest chart archive, in bytes.
    #[arg(id = "helm-chart-max-size", long = "helm-chart-max-size", default_value_t = 10 * MIB)]
    pub chart_max_size: u64,
    /// The largest file in a chart, in bytes.
    #[arg(id = "helm-chart-file-max-size", long = "helm-chart-file-max-size", default_value_t = 5 * MIB)]
    pub chart_file_max_size: u64,
    /// What becomes of a chart whose digest is not the one in the index of its repository: `warn` takes it and says so, as stock Flux
    /// takes it; `enforce` refuses it.
    #[arg(id = "helm-chart-digest", long = "helm-chart-digest", value_enum, default_value_t)]
    pub chart_digest: DigestCheck,
    /// How many indexes are kept in memory; 0 turns the cache off.
    #[arg(id = "helm-cache-max-size", long = "helm-cache-max-size", default_value_t = 0)]
    pub cache_max_size: u32,
    /// For how long an index stays in the cache.
    #[arg(id = "helm-cache-ttl", long = "helm-cache-ttl", default_value = "15m", value_parser = parse::duration)]
    pub cache_ttl: Duration,
    /// How often the cache is swept.
    #[arg(id = "helm-cache-purge-interval", long = "helm-cache-purge-interval", default_value = "1m", value_parser = parse::duration)]
    pub cache_purge_interval: Duration,
}

/// What becomes of charts that are not what their repository's index says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DigestCheck {
    /// They are taken, and a warning is logged.
    #[default]
    Warn,
    /// They are refused.
    Enforce,
}
