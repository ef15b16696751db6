//! What is the same for every kind: finalizer, deletion, suspend, the pass with its deadline, status, events, and when to
//! come back.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use futures::FutureExt;
use headwater_api::meta;
use headwater_api::reason;
use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use tracing::{Instrument, debug, error, info, info_span};

use super::aid::{blocking, requested, trace_event};
use super::failure::{Failure, Fate};
use super::pass::{Done, Fact, Kept, Pass};
use super::status::{self, Common, Seen};
use super::{Ctx, Reconcile, Schedule, resume};
use crate::cluster::patch;
use crate::notify::{Event, Severity};
use crate::telemetry::{self, Outcome};

/// How long a pass may take to end after its deadline; then it is dropped.
const GRACE: Duration = Duration::from_secs(2);
/// How often a status is computed anew because somebody else wrote in between.
const CONFLICT_RETRIES: usize = 8;

/// The status, or the finalizer, could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Kubernetes API refused or could not be reached.
    #[error("failed to patch object: {}", telemetry::told(.0))]
    Api(#[from] kube::Error),
    /// Artifacts of a deleted object could not be removed.
    #[error("garbage collection for deleted resource failed: {0}")]
    Collect(headwater_storage::Error),
    /// An object or a status could not be written as JSON.
    #[error("failed to encode status: {0}")]
    Encode(#[from] serde_json::Error),
}

/// Reconciles one object once, as was asked for at `asked`.
pub async fn drive<K>(object: Arc<K>, cx: Arc<Ctx>, asked: tokio::time::Instant) -> Result<Action, Error>
where
    K: Reconcile + Resource<Scope = NamespaceResourceScope>,
{
    let span = info_span!(
        "reconcile",
        kind = %K::kind(&()),
        namespace = %object.namespace().unwrap_or_default(),
        name = %object.name_any(),
        reconcile_id = %uuid::Uuid::new_v4(),
    );
    async move {
        let start = Instant::now();
        let result = step(&object, &cx, asked).await;
        let outcome = match &result {
            Ok((_, outcome)) => *outcome,
            Err(error) => {
                error!(%error, "Reconciler error");
                Outcome::Error
            }
        };
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        cx.metrics.reconciled(&K::kind(&()), &namespace, &name, start.elapsed(), outcome);
        if object.meta().deletion_timestamp.is_some() && result.is_ok() {
            cx.metrics.forget(&K::kind(&()), &namespace, &name);
        }
        result.map(|(action, _)| action)
    }
    .instrument(span)
    .await
}

async fn step<K>(object: &Arc<K>, cx: &Ctx, asked: tokio::time::Instant) -> Result<(Action, Outcome), Error>
where
    K: Reconcile + Resource<Scope = NamespaceResourceScope>,
{
    let api: Api<K> = Api::namespaced(cx.client.clone(), &object.namespace().unwrap_or_default());
    if object.meta().deletion_timestamp.is_some() {
        return delete(object, cx, &api).await;
    }
    if object.is_static() {
        retire(object, cx, &api).await?;
        return Ok((Action::await_change(), Outcome::Success));
    }
    let Some(object) = with_finalizer(object, &api).await? else {
        return Ok((Action::await_change(), Outcome::Success));
    };
    if object.suspended() {
        info!("reconciliation is suspended for this object");
        publish(&api, &object, &[], None, status::suspended).await?;
        return Ok((Action::await_change(), Outcome::Success));
    }
    let before = K::common(&object.status());
    if let Some(rest) = resume::rest(object.as_ref(), &before, cx).await {
        debug!(?rest, "nothing is due since the start of this process");
        return Ok((Action::requeue(rest), Outcome::RequeueAfter));
    }
    let mut object = object;
    if wants_announcement(object.as_ref(), &before) {
        match publish(&api, &object, &[], None, |before, seen| status::reconciling(before, seen, &[])).await? {
            // Working on from the version that was just written saves a conflict at the end.
            Some(published) if published.object.meta().generation == object.meta().generation => object = published.object,
            Some(_) => {}
            None => return Ok((Action::await_change(), Outcome::Success)),
        }
    }
    let mut pass = Pass::new(asked);
    let outcome = run(object.as_ref(), cx, &mut pass).await;
    let fold = |before: &Common, seen: Seen<'_>| status::fold(before, seen, pass.facts(), outcome.as_ref());
    let Some(Published { common: after, .. }) = publish(&api, &object, pass.facts(), outcome.as_ref().ok(), fold).await? else {
        return Ok((Action::await_change(), Outcome::Success));
    };
    if let Ok(done) = &outcome {
        resume::mark(done.artifact(), cx).await;
    }
    announce(object.as_ref(), cx, &before, &after, &outcome);
    Ok(next(object.as_ref(), cx, &outcome))
}

/// Whether others should see that a pass began: the object changed, was asked for, or has nothing to show yet.
fn wants_announcement<K: Reconcile>(object: &K, before: &Common) -> bool {
    object.meta().generation != before.observed_generation
        || requested(object) != before.last_handled.as_deref()
        || before.artifact.is_none()
}

/// Runs the kind's pass, within the object's deadline.
async fn run<K: Reconcile>(object: &K, cx: &Ctx, pass: &mut Pass) -> Result<Done, Failure> {
    let Schedule { timeout, .. } = object.schedule()?;
    match contained(object.run(cx, pass), timeout + GRACE).await {
        Ended::Itself(outcome) => outcome,
        Ended::Late => Err(object.timed_out()),
        Ended::Panicked(told) => {
            cx.metrics.panicked(&K::kind(&()));
            let source = format!("reconciliation ended unexpectedly: {told}; please report this").into();
            Err(Failure { mark: None, reason: reason::FAILED, fate: Fate::Retry, source })
        }
    }
}

/// How a piece of work ended.
enum Ended<T> {
    Itself(T),
    Late,
    Panicked(String),
}

/// Runs work until it ends, but no longer than `timeout`; a panic in it goes no further.
async fn contained<T>(work: impl Future<Output = T>, timeout: Duration) -> Ended<T> {
    match tokio::time::timeout(timeout, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => Ended::Itself(outcome),
        Ok(Err(panic)) => {
            let told = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
            Ended::Panicked(told.unwrap_or_default())
        }
        Err(_) => Ended::Late,
    }
}

async fn with_finalizer<K: Reconcile>(object: &Arc<K>, api: &Api<K>) -> Result<Option<Arc<K>>, Error> {
    if object.finalizers().iter().any(|f| f == meta::FINALIZER) {
        return Ok(Some(Arc::clone(object)));
    }
    let mut all = object.finalizers().to_vec();
    all.push(meta::FINALIZER.to_owned());
    match patch::finalizers(api, &object.name_any(), &version(object.as_ref()), &all).await {
        Ok(patched) => Ok(Some(Arc::new(patched))),
        Err(error) if patch::is_not_found(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn delete<K: Reconcile>(object: &Arc<K>, cx: &Ctx, api: &Api<K>) -> Result<(Action, Outcome), Error> {
    if object.finalizers().iter().any(|f| f == meta::FINALIZER) {
        release(object, cx, api).await?;
    }
    cx.retries.forget(&object.uid().unwrap_or_default());
    Ok((Action::await_change(), Outcome::Success))
}

/// What became static keeps nothing of the time before.
async fn retire<K: Reconcile>(object: &Arc<K>, cx: &Ctx, api: &Api<K>) -> Result<(), Error> {
    cx.retries.forget(&object.uid().unwrap_or_default());
    if let Some(artifact) = &K::common(&object.status()).artifact {
        cx.intact.forget(artifact);
    }
    let nothing = serde_json::to_value(K::Status::default())?;
    if let Some(difference) = patch::difference(&serde_json::to_value(object.status())?, &nothing) {
        match patch::status(api, &object.name_any(), &version(object.as_ref()), difference).await {
            Ok(patched) if patched.finalizers().iter().any(|f| f == meta::FINALIZER) => return release(&Arc::new(patched), cx, api).await,
            Err(error) if !patch::is_not_found(&error) => return Err(error.into()),
            _ => return Ok(()),
        }
    }
    if object.finalizers().iter().any(|f| f == meta::FINALIZER) {
        release(object, cx, api).await?;
    }
    Ok(())
}

/// Removes the artifacts of an object, and then the finalizer.
async fn release<K: Reconcile>(object: &Arc<K>, cx: &Ctx, api: &Api<K>) -> Result<(), Error> {
    let (storage, kind) = (cx.storage.clone(), K::kind(&()).to_lowercase());
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let removed = blocking(move || storage.remove_object(&kind, &namespace, &name)).await.map_err(Error::Collect)?;
    if let Some(artifact) = &K::common(&object.status()).artifact {
        cx.intact.forget(artifact);
    }
    cx.resumed.forget(&object.uid().unwrap_or_default());
    object.forgotten(cx);
    if !removed.is_empty() {
        trace_event(object.as_ref(), cx, reason::GARBAGE_COLLECTION_SUCCEEDED, "garbage collected artifacts for deleted resource");
    }
    let rest: Vec<String> = object.finalizers().iter().filter(|f| *f != meta::FINALIZER).cloned().collect();
    match patch::finalizers(api, &object.name_any(), &version(object.as_ref()), &rest).await {
        Err(error) if !patch::is_not_found(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// A status that was written, and the object that holds it.
struct Published<K> {
    common: Common,
    object: Arc<K>,
}

/// Writes what `compute` makes of the newest status; computes anew when somebody else wrote in between. None when the
/// object is gone.
async fn publish<K, F>(
    api: &Api<K>,
    object: &Arc<K>,
    facts: &[Fact],
    done: Option<&Done>,
    compute: F,
) -> Result<Option<Published<K>>, Error>
where
    K: Reconcile,
    F: Fn(&Common, Seen<'_>) -> Common,
{
    let seen = Seen { generation: object.meta().generation.unwrap_or_default(), requested: requested(object.as_ref()), now: Utc::now() };
    let mut latest = Arc::clone(object);
    for attempt in 0.. {
        let before = latest.status();
        let common = compute(&K::common(&before), seen);
        let after = object.with(before.clone(), common.clone(), facts, done);
        let Some(difference) = patch::difference(&serde_json::to_value(&before)?, &serde_json::to_value(&after)?) else {
            return Ok(Some(Published { common, object: latest }));
        };
        match patch::status(api, &object.name_any(), &version(latest.as_ref()), difference).await {
            Ok(patched) => return Ok(Some(Published { common, object: Arc::new(patched) })),
            Err(error) if patch::is_not_found(&error) => return Ok(None),
            Err(error) if patch::is_conflict(&error) && attempt < CONFLICT_RETRIES => {
                debug!("the object changed while its status was written; computing it anew");
                match api.get_opt(&object.name_any()).await? {
                    Some(found) if found.uid() == object.uid() => latest = Arc::new(found),
                    _ => return Ok(None),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Events and log lines about how a pass ended.
fn announce<K: Reconcile>(object: &K, cx: &Ctx, before: &Common, after: &Common, outcome: &Result<Done, Failure>) {
    match outcome {
        Ok(done) => {
            let Kept { artifact, reason, event: message, .. } = done.kept();
            if let Done::Unchanged(_) = done {
                let (reason, message) = K::unchanged(&artifact.revision);
                trace_event(object, cx, reason, &message);
            }
            let fresh = before.artifact.as_ref().is_none_or(|old| old.digest != artifact.digest);
            let name = if fresh {
                reason::NEW_ARTIFACT
            } else if recovered(before, after) {
                reason::SUCCEEDED
            } else {
                return;
            };
            info!("{message}");
            let about = [("revision", artifact.revision.as_str()), ("digest", artifact.digest.as_str())];
            cx.recorder.record(Event::about(object, Severity::Info, reason.unwrap_or(name), message).with(&about));
        }
        Err(failure) => {
            let message = failure.message();
            match failure.fate {
                // Nothing is wrong yet.
                Fate::Wait(_) => trace_event(object, cx, failure.reason, &message),
                Fate::Retry | Fate::Stall => {
                    error!(error = %message, "Reconciler error");
                    cx.recorder.record(Event::about(object, Severity::Error, failure.reason, &message));
                }
            }
        }
    }
}

/// Whether a failure of before is over.
fn recovered(before: &Common, after: &Common) -> bool {
    use headwater_api::condition::{BUILD_FAILED, FETCH_FAILED, INCLUDE_UNAVAILABLE, STORAGE_OPERATION_FAILED};
    let bad = [FETCH_FAILED, BUILD_FAILED, INCLUDE_UNAVAILABLE, STORAGE_OPERATION_FAILED];
    let failing = |common: &Common| common.conditions.iter().any(|c| bad.contains(&c.type_.as_str()));
    failing(before) && !failing(after)
}

/// When to come back.
fn next<K: Reconcile>(object: &K, cx: &Ctx, outcome: &Result<Done, Failure>) -> (Action, Outcome) {
    let uid = object.uid().unwrap_or_default();
    match outcome {
        Err(Failure { fate: Fate::Retry, .. }) => (Action::requeue(cx.retries.failed(&uid)), Outcome::Error),
        Err(Failure { fate: Fate::Wait(after), .. }) => {
            cx.retries.forget(&uid);
            (Action::requeue(*after), Outcome::RequeueAfter)
        }
        Err(Failure { fate: Fate::Stall, .. }) => {
            cx.retries.forget(&uid);
            (Action::await_change(), Outcome::Success)
        }
        Ok(_) => {
            cx.retries.forget(&uid);
            let interval = object.schedule().map_or(Duration::from_mins(1), |s| s.interval);
            (Action::requeue(jittered(interval, cx.jitter_percent, rand::random())), Outcome::RequeueAfter)
        }
    }
}

/// An interval moved by up to `percent` of itself; `roll` is in 0.0 to 1.0.
fn jittered(interval: Duration, percent: u8, roll: f64) -> Duration {
    interval.mul_f64(1.0 + (roll * 2.0 - 1.0) * f64::from(percent.min(100)) / 100.0)
}

fn version<K: Reconcile>(object: &K) -> String {
    object.resource_version().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_percentage() {
        let minute = Duration::from_mins(1);
        assert_eq!(jittered(minute, 0, 0.9), minute);
        assert_eq!(jittered(minute, 10, 0.0), Duration::from_secs(54));
        assert_eq!(jittered(minute, 10, 1.0), Duration::from_secs(66));
    }

    #[tokio::test]
    async fn a_panic_stays_with_its_pass_even_when_it_comes_from_a_blocking_thread() {
        let minute = Duration::from_mins(1);
        let here = contained(async { assert_eq!(1 + 1, 3, "sums are off") }, minute).await;
        assert!(matches!(here, Ended::Panicked(told) if told.contains("sums are off")));
        let elsewhere = contained(blocking(|| assert_eq!(1 + 1, 3, "there too")), minute).await;
        assert!(matches!(elsewhere, Ended::Panicked(told) if told.contains("there too")));
        assert!(matches!(contained(async { 7 }, minute).await, Ended::Itself(7)));
    }

    #[tokio::test]
    async fn work_that_never_ends_is_dropped_at_its_deadline() {
        let dropped = Arc::new(());
        let held = Arc::clone(&dropped);
        let work = async move {
            std::future::pending::<()>().await;
            drop(held);
        };
        assert!(matches!(contained(work, Duration::from_millis(20)).await, Ended::Late));
        assert_eq!(Arc::strong_count(&dropped), 1);
    }
}
