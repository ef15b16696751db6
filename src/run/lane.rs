//! A kind's lane: watch its objects, and drive as many at once as the settings say.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::channel::mpsc;
use futures::{FutureExt, StreamExt, stream};
use headwater_api::meta;
use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::{Controller, Predicate, WatchStreamExt, predicates, watcher};
use kube::{Resource, ResourceExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::reconcile::drive::{self, drive};
use crate::reconcile::{Changed, Ctx, Reconcile};
use crate::settings::Reconciling;

struct Lane<K: Resource<DynamicType = ()> + 'static> {
    cx: Arc<Ctx>,
    store: Store<K>,
    workers: Semaphore,
    waiting: AtomicU32,
}

/// What lanes tell each other.
#[derive(Default)]
pub struct Links {
    /// Hears of every object of this kind that has another artifact.
    pub tell: Option<mpsc::UnboundedSender<Changed>>,
    /// Where objects of other kinds are heard of.
    pub hear: Option<mpsc::UnboundedReceiver<Changed>>,
}

/// Reconciles the objects of a kind until `stop`.
pub async fn run<K>(cx: Arc<Ctx>, store: Store<K>, writer: Writer<K>, settings: Reconciling, links: Links, stop: CancellationToken)
where
    K: Reconcile + Resource<Scope = NamespaceResourceScope> + Debug,
{
    let kind = K::kind(&());
    cx.metrics.controller(&kind, u32::from(settings.concurrent));
    let api: Api<K> = settings.namespace().map_or_else(|| Api::all(cx.client.clone()), |only| Api::namespaced(cx.client.clone(), only));
    let (trigger, triggered) = mpsc::unbounded();
    let watched = watcher(api, watcher::Config::default().labels(&settings.watch_label_selector))
        .default_backoff()
        .reflect(writer)
        .inspect(|event| {
            if let Err(error) = event {
                warn!(%error, "watching failed; trying again");
            }
        })
        .touched_objects()
        .inspect({
            let (store, mut artifacts) = (store.clone(), Artifacts::default());
            move |touched| {
                if let Ok(object) = touched
                    && artifacts.changed(object)
                {
                    if let (Some(tell), Some(changed)) = (&links.tell, changed(object)) {
                        drop(tell.unbounded_send(changed));
                    }
                    for dependent in dependents(&store, object) {
                        // Without a receiver the lane has ended.
                        drop(trigger.unbounded_send(dependent));
                    }
                }
            }
        })
        .predicate_filter(predicates::generation.combine(requested), <_>::default());
    let lane = Lane { cx, store: store.clone(), workers: Semaphore::new(usize::from(settings.concurrent)), waiting: AtomicU32::new(0) };
    let heard = links.hear.map_or_else(|| stream::pending().boxed(), |hear| hear.chain(stream::pending()).boxed());
    let following = heard.flat_map({
        let store = store.clone();
        move |other| {
            stream::iter(
                store.state().into_iter().filter(|o| o.follows(&other)).map(|o| ObjectRef::from_obj(o.as_ref())).collect::<Vec<_>>(),
            )
        }
    });
    // Concurrency is bounded by the lane's own workers, so that it is known how many objects wait.
    let controller = Controller::for_stream(watched, store.clone())
        .with_config(Config::default().concurrency(0))
        .reconcile_on(triggered)
        .reconcile_on(following)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            {
                let stop = stop.clone();
                move |object, lane| step(object, lane, stop.clone())
            },
            again,
            Arc::new(lane),
        )
        .for_each(|_| futures::future::ready(()));
    tokio::select! {
        () = controller => {}
        () = stopped_early(&store, &stop) => {}
    }
}

/// What others hear of an object with another artifact; nothing where it has none any more.
fn changed<K: Reconcile>(object: &K) -> Option<Changed> {
    K::common(&object.status()).artifact?;
    let (kind, namespace, name) = (K::kind(&()).into_owned(), object.namespace().unwrap_or_default(), object.name_any());
    Some(Changed { kind, namespace, name })
}

/// The digest of each object's artifact, as last seen.
struct Artifacts<K: Resource<DynamicType = ()>>(HashMap<ObjectRef<K>, Option<String>>);

impl<K: Resource<DynamicType = ()>> Default for Artifacts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Reconcile> Artifacts<K> {
    /// Whether the object has another artifact than when it was seen before.
    fn changed(&mut self, object: &K) -> bool {
        let at = ObjectRef::from_obj(object);
        if object.meta().deletion_timestamp.is_some() {
            self.0.remove(&at);
            return false;
        }
        let digest = K::common(&object.status()).artifact.map(|artifact| artifact.digest);
        self.0.insert(at, digest.clone()).is_some_and(|before| before != digest)
    }
}

/// The objects that the artifact of `object` goes into. Those that it depends on itself are left to their intervals, or a circle
/// would never come to rest.
fn dependents<K: Reconcile + Resource<Scope = NamespaceResourceScope>>(store: &Store<K>, object: &K) -> Vec<ObjectRef<K>> {
    let (namespace, name) = (object.namespace(), object.name_any());
    let all = store.state();
    let depends = |other: &K| other.namespace() == namespace && other.dependencies().contains(&name.as_str());
    let mut found: Vec<_> = all.iter().filter(|other| depends(other)).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let mut upstream: HashSet<String> = HashSet::new();
    let mut open = vec![object];
    while let Some(next) = open.pop() {
        for dependency in next.dependencies() {
            if upstream.insert(dependency.to_owned()) {
                open.extend(all.iter().map(AsRef::as_ref).filter(|o: &&K| o.namespace() == namespace && o.name_any() == dependency));
            }
        }
    }
    found.retain(|other| !upstream.contains(&other.name_any()));
    found.into_iter().map(|other| ObjectRef::from_obj(other.as_ref())).collect()
}

/// Ends when `stop` comes before the first list of objects: the controller would go on to wait for that, and nothing is under way.
async fn stopped_early<K: Resource<DynamicType = ()> + Clone + 'static>(store: &Store<K>, stop: &CancellationToken) {
    stop.cancelled().await;
    if store.wait_until_ready().now_or_never().is_some() {
        std::future::pending::<()>().await;
    }
}

/// A reconcile request, so that its change triggers a pass.
#[expect(clippy::unnecessary_wraps, reason = "the signature is kube's")]
fn requested<K: Resource>(object: &K) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    object.annotations().get(meta::RECONCILE_REQUEST).hash(&mut hasher);
    Some(hasher.finish())
}

async fn step<K>(object: Arc<K>, lane: Arc<Lane<K>>, stop: CancellationToken) -> Result<Action, drive::Error>
where
    K: Reconcile + Resource<Scope = NamespaceResourceScope>,
{
    let kind = K::kind(&());
    let mut asked = Instant::now();
    let metrics = &lane.cx.metrics;
    metrics.waiting(&kind, lane.waiting.fetch_add(1, Ordering::Relaxed) + 1);
    let permit = lane.workers.acquire().await;
    metrics.waiting(&kind, lane.waiting.fetch_sub(1, Ordering::Relaxed) - 1);
    if permit.is_err() || stop.is_cancelled() {
        return Ok(Action::await_change());
    }
    let _working = metrics.working(&kind);
    // While it waited for a worker the object may have moved on.
    let Some(latest) = lane.store.get(&ObjectRef::from_obj(object.as_ref())) else {
        return Ok(Action::await_change());
    };
    if latest.resource_version() != object.resource_version() {
        asked = Instant::now();
    }
    tokio::select! {
        done = drive(latest, Arc::clone(&lane.cx), asked).boxed() => done,
        () = stop.cancelled() => Ok(Action::await_change()),
    }
}

/// When to try again after a status that could not be written.
#[expect(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn again<K: Reconcile>(object: Arc<K>, _error: &drive::Error, lane: Arc<Lane<K>>) -> Action {
    Action::requeue(lane.cx.retries.failed(&object.uid().unwrap_or_default()))
}
