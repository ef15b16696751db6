//! How often in a row an object has failed, and how long to wait before the next try.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Exponential backoff by object: `min`, twice that, and so on up to `max`.
#[derive(Debug)]
pub struct Retries {
    min: Duration,
    max: Duration,
    failures: Mutex<HashMap<String, u32>>,
}

impl Retries {
    /// A backoff that starts at `min` and never waits longer than `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, failures: Mutex::default() }
    }

    /// Notes a failure of the object with this uid; how long to wait before the next try.
    pub fn failed(&self, uid: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_default();
        let delay = self.min.saturating_mul(2_u32.saturating_pow(*count)).min(self.max);
        *count = count.saturating_add(1);
        delay
    }

    /// Notes that the object with this uid is well, or gone.
    pub fn forget(&self, uid: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_twice_as_long_each_time_up_to_the_bound_and_starts_over() {
        let retries = Retries::new(Duration::from_millis(750), Duration::from_secs(5));
        let waits: Vec<u128> = (0..5).map(|_| retries.failed("a").as_millis()).collect();
        assert_eq!(waits, [750, 1500, 3000, 5000, 5000]);
        assert_eq!(retries.failed("b").as_millis(), 750);
        retries.forget("a");
        assert_eq!(retries.failed("a").as_millis(), 750);
    }
}
