//! Logs, metrics and health.

use super::parse;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Level {
    /// Errors only.
    Error,
    /// What happened to objects.
    Info,
    /// And why nothing happened.
    Debug,
    /// And each step.
    Trace,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    /// One JSON object a line.
    Json,
    /// Columns, for people.
    Console,
}

/// What can be seen of the process from outside.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Observability")]
pub struct Observe {
    /// The address that the metrics endpoint binds to; 0 turns it off.
    #[arg(id = "metrics-addr", long = "metrics-addr", env = "METRICS_ADDR", default_value = ":8080", value_parser = parse::or(":8080"))]
    pub metrics_addr: String,
    /// The address that the health endpoint binds to; 0 turns it off.
    #[arg(id = "health-addr", long = "health-addr", default_value = ":9440")]
    pub health_addr: String,
    /// How much is logged.
    #[arg(id = "log-level", long = "log-level", value_enum, default_value_t = Level::Info)]
    pub log_level: Level,
    /// How a line of the log is written.
    #[arg(id = "log-encoding", long = "log-encoding", value_enum, default_value_t = Encoding::Json)]
    pub log_encoding: Encoding,
}

impl Observe {
    /// The address of the metrics endpoint, unless it is turned off.
    pub fn metrics(&self) -> Option<&str> {
        Some(self.metrics_addr.as_str()).filter(|address| *address != "0")
    }

    /// The address of the health endpoint, unless it is turned off.
    pub fn health(&self) -> Option<&str> {
        Some(self.health_addr.as_str()).filter(|address| !address.is_empty() && *address != "0")
    }
}
