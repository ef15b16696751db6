//! What a process owes to objects that an earlier one reconciled: nothing before they are due.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use headwater_api::Artifact;
use headwater_api::condition::{self, READY};
use headwater_storage::Location;
use kube::ResourceExt;

use super::aid::{blocking, requested};
use super::status::Common;
use super::{Ctx, Reconcile, kept};

/// What is overdue after a start is spread over this part of the interval, so that a restart is no herd.
const SPREAD: u32 = 10;
/// And over no more than this.
const LONGEST_SPREAD: Duration = Duration::from_mins(1);

/// Which objects this process has looked at, by uid.
#[derive(Debug, Default)]
pub struct Resumed(Mutex<HashSet<String>>);

impl Resumed {
    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    fn is_first(&self, uid: String) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid)
    }
}

/// How long an object may rest, if this is the first time that it is looked at, and nothing happened to it since its last pass
/// ended well.
pub async fn rest<K: Reconcile>(object: &K, before: &Common, cx: &Ctx) -> Option<Duration> {
    if !cx.resumed.is_first(object.uid().unwrap_or_default()) {
        return None;
    }
    let artifact = before.artifact.as_ref()?;
    let settled = object.meta().generation == before.observed_generation
        && requested(object) == before.last_handled.as_deref()
        && condition::find(&before.conditions, READY).is_some_and(condition::Condition::is_true)
        && artifact.url == kept::advertised(artifact, cx);
    let interval = object.schedule().ok()?.interval;
    let at = Location::parse(&artifact.path).ok()?;
    let ended = if settled { cx.storage.marked(&at)? } else { return None };
    if object.may_have_missed(cx).await {
        return None;
    }
    let rest = remaining(ended, interval, SystemTime::now(), rand::random());
    let problem = kept::look(artifact, cx).await;
    rest.filter(|_| problem.is_ok())
}

/// Notes that a pass ended well, with this artifact.
pub async fn mark(artifact: &Artifact, cx: &Ctx) {
    let Ok(at) = Location::parse(&artifact.path) else { return };
    let storage = cx.storage.clone();
    if let Err(error) = blocking(move || storage.mark(&at)).await {
        tracing::debug!(%error, "cannot note when this object was reconciled; it is asked for again after a restart");
    }
}

/// What is left of an interval that began at `ended`; where nothing is, a moment by `roll` in 0.0 to 1.0. None when the mark cannot
/// be right.
fn remaining(ended: SystemTime, interval: Duration, now: SystemTime, roll: f64) -> Option<Duration> {
    let passed = now.duration_since(ended).ok()?;
    let rest = interval.saturating_sub(passed);
    Some(if rest.is_zero() { (interval / SPREAD).min(LONGEST_SPREAD).mul_f64(roll) } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_spread_and_what_is_not_rests() {
        let (ended, minute) = (SystemTime::UNIX_EPOCH, Duration::from_mins(1));
        let after = |seconds| remaining(ended, minute, ended + Duration::from_secs(seconds), 0.5);
        assert_eq!(after(0), Some(minute));
        assert_eq!(after(20), Some(Duration::from_secs(40)));
        assert_eq!(after(60), Some(Duration::from_secs(3)));
        assert_eq!(after(6000), Some(Duration::from_secs(3)));
        assert_eq!(remaining(ended + minute, minute, ended, 0.5), None, "marked in the future");
        assert_eq!(remaining(ended, minute * 600, ended + minute * 6000, 1.0), Some(minute));
    }
}
