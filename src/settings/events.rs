//! Where events go besides Kubernetes.

/// The receiver of events.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Events")]
pub struct Events {
    /// The URL of the events receiver (notification-controller). Empty: Kubernetes events only.
    #[arg(id = "events-addr", long = "events-addr", env = "EVENTS_ADDR", default_value = "")]
    pub addr: String,
}
