//! What operators see: logs as Flux's tools read them, and metrics under Flux's names.

#[cfg(test)]
pub(crate) mod capture;
mod format;
mod metrics;
mod process;

use std::io;

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub use format::{Lines, MAX_LINE};
pub use metrics::{Metrics, Outcome, Working};

use crate::settings::{Encoding, Level};

/// Logging was already set up in this process.
#[derive(Debug, thiserror::Error)]
#[error("logging is already set up")]
pub struct AlreadySet(#[source] tracing_subscriber::util::TryInitError);

/// A Kubernetes error in one line: what the server said, where it said something.
pub fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Writes the log of this process to standard error from here on. To be called once, at start.
///
/// # Errors
/// [`AlreadySet`] when called twice.
pub fn init(level: Level, encoding: Encoding) -> Result<(), AlreadySet> {
    tracing_subscriber::registry().with(filter(level)).with(Lines::new(encoding, io::stderr)).try_init().map_err(AlreadySet)
}

/// Our own words at `level`. Those of libraries one step quieter and never below info: deeper ones may
/// show what goes over the wire.
fn filter(level: Level) -> Targets {
    let (ours, theirs) = match level {
        Level::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        Level::Info => (LevelFilter::INFO, LevelFilter::WARN),
        Level::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        Level::Trace => (LevelFilter::TRACE, LevelFilter::INFO),
    };
    Targets::new().with_default(theirs).with_target(format::own(), ours)
}

#[cfg(test)]
mod tests;
