//! Leader election.

use std::time::Duration;

use headwater_api::duration::format;
use sha2::{Digest, Sha256};

use super::{Error, parse};

/// The name of the lease, before a hash of the label selector.
const LEASE: &str = "source-controller-leader-election";

/// How one of several replicas becomes the one that reconciles.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Leader election")]
pub struct Leader {
    /// Reconcile only while holding the lease, so that one replica at a time does.
    #[arg(id = "enable-leader-election", long = "enable-leader-election", default_value = "false", value_parser = parse::switch,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        action = clap::ArgAction::Set)]
    pub enable: bool,
    /// Give the lease up when stopped, so that the next leader need not wait for it to expire.
    #[arg(id = "leader-election-release-on-cancel", long = "leader-election-release-on-cancel", default_value = "true", value_parser = parse::switch,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        action = clap::ArgAction::Set)]
    pub release_on_cancel: bool,
    /// For how long others respect a lease that is not renewed.
    #[arg(id = "leader-election-lease-duration", long = "leader-election-lease-duration", default_value = "35s", value_parser = parse::duration)]
    pub lease_duration: Duration,
    /// For how long the leader tries to renew before it gives up.
    #[arg(id = "leader-election-renew-deadline", long = "leader-election-renew-deadline", default_value = "30s", value_parser = parse::duration)]
    pub renew_deadline: Duration,
    /// The time between two tries.
    #[arg(id = "leader-election-retry-period", long = "leader-election-retry-period", default_value = "5s", value_parser = parse::duration)]
    pub retry_period: Duration,
}

impl Leader {
    /// The name of the lease: with a label selector, eight hex digits of its SHA-256 are appended, so that
    /// each shard elects its own leader.
    pub fn lease_name(&self, selector: &str) -> String {
        if selector.is_empty() {
            return LEASE.to_owned();
        }
        let hash = Sha256::digest(selector.as_bytes());
        let (first, _) = hash.split_first_chunk().unwrap_or((&[0; 4], &[]));
        format!("{LEASE}-{:08x}", u32::from_be_bytes(*first))
    }

    /// Checks that the durations can work together: lease > renew deadline > 1.2 × retry period > 0.
    ///
    /// # Errors
    /// [`Error::Order`] or [`Error::Zero`], naming the flags; nothing when election is off.
    pub(super) fn check(&self) -> Result<(), Error> {
        if !self.enable {
            return Ok(());
        }
        if self.retry_period.is_zero() {
            return Err(Error::Zero("leader-election-retry-period"));
        }
        let order = |longer, longer_value, shorter, shorter_value, factor| Error::Order {
            longer,
            longer_value: format(longer_value),
            shorter,
            shorter_value: format(shorter_value),
            factor,
        };
        let (renew, retry) = ("leader-election-renew-deadline", "leader-election-retry-period");
        if self.lease_duration <= self.renew_deadline {
            let lease = "leader-election-lease-duration";
            return Err(order(lease, self.lease_duration, renew, self.renew_deadline, ""));
        }
        if self.renew_deadline <= self.retry_period.mul_f64(1.2) {
            return Err(order(renew, self.renew_deadline, retry, self.retry_period, " times 1.2"));
        }
        Ok(())
    }
}
