//! Wiring: build what is shared, start every task, and stop when one of them ends or a signal comes.

mod claims;
mod client;
mod indexes;
mod lane;
pub mod standalone;
mod tasks;
mod tokens;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use headwater_api::{GitRepository, HelmChart, HelmRepository};
use headwater_goyaml as yaml;
use headwater_storage::{Retention, Storage};
use kube::runtime::reflector;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cluster::leases::{self, End};
use crate::cluster::retries::Retries;
use crate::notify::{self, Kubernetes, Posting, Webhook};
use crate::reconcile::Ctx;
use crate::reconcile::failure::chain;
use crate::reconcile::git_repository::{Identities, NamedAccounts};
use crate::reconcile::helm::indexes::{AT_HAND, Indexes, Terms};
use crate::reconcile::helm::{self, Helm};
use crate::reconcile::helm_chart::Sources;
use crate::serve::{self, artifacts, health};
use crate::settings::{self, Controller};
use crate::telemetry::Metrics;
use headwater_git as git;
use headwater_helm::{chart, index};
use headwater_identity::Cache;
use headwater_oci as oci;
use headwater_oci::cosign;
use lane::Links;
use tasks::Tasks;

/// Why the process ends with an error.
pub type Stopped = Box<dyn std::error::Error + Send + Sync>;

/// An error with what caused it, in one line.
pub fn told(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error)
}

/// Runs the controller until a signal stops it, or until a task that must not end does.
pub async fn controller(settings: Controller) -> Result<(), Stopped> {
    install_cryptography();
    let stop = CancellationToken::new();
    let mut tasks = Tasks::new(stop.clone());
    tasks.spawn("signals", tasks::signals(stop.clone())?);

    let shared = Shared::new(&settings, git::LocalRepositories::Refused)?;
    let metrics = Arc::clone(&shared.metrics);
    let readiness = observe(&settings, &metrics, &mut tasks).await?;
    let clients = Clients { objects: client::client(&settings.client).await?, events: client::client(&settings.client).await? };
    for flag in settings.without_effect() {
        warn!(flag, "this setting has no effect yet");
    }
    readiness.ready();
    info!(version = env!("CARGO_PKG_VERSION"), "starting headwater");

    let leadership = tokio::select! {
        led = lead(clients.objects.clone(), &settings, &metrics, &stop) => led?,
        () = tasks.any_ended() => None,
    };
    if !stop.is_cancelled() {
        reconcile(&settings, clients, shared, &mut tasks).await?;
        let lost = leadership.as_ref().map(leases::Leadership::lost_token).unwrap_or_default();
        tokio::select! {
            () = tasks.any_ended() => {}
            () = lost.cancelled() => tasks.fail("leadership was lost; stopping so that the new leader works alone"),
        }
    }
    let ended = tasks.finish().await;
    if let Some(leadership) = leadership {
        leadership.resign().await?;
    }
    ended
}

/// Two libraries bring a provider each; the first to be installed counts, and a second call changes nothing.
fn install_cryptography() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// Starts the metrics and health servers, where they are wanted.
async fn observe(settings: &Controller, metrics: &Arc<Metrics>, tasks: &mut Tasks) -> Result<health::Readiness, Stopped> {
    let readiness = health::Readiness::default();
    if let Some(address) = settings.observe.metrics() {
        let listener = serve::bind(address).await?;
        tasks.spawn("metrics server", serve::serve(listener, serve::metrics::router(Arc::clone(metrics)), tasks.stop_token()));
    }
    if let Some(address) = settings.observe.health() {
        let listener = serve::bind(address).await?;
        tasks.spawn("health server", serve::serve(listener, health::router(readiness.clone()), tasks.stop_token()));
    }
    Ok(readiness)
}

/// The Kubernetes API. Each is bounded by itself, so that events do not hold up objects.
struct Clients {
    /// For objects.
    objects: kube::Client,
    /// For events about them.
    events: kube::Client,
}

/// What is there before anything is started.
struct Shared {
    storage: Storage,
    metrics: Arc<Metrics>,
    identities: Identities,
    helm: Helm,
    local_repositories: git::LocalRepositories,
}

impl Shared {
    fn new(settings: &Controller, local_repositories: git::LocalRepositories) -> Result<Self, Stopped> {
        let storage = open(&settings.storage)?;
        let (identities, helm) = (identities(settings), helm(settings)?);
        let metrics = Arc::new(metrics(&identities.cache, &helm.indexes));
        Ok(Self { storage, metrics, identities, helm, local_repositories })
    }
}

/// Starts the artifact server and the reconcilers.
async fn reconcile(settings: &Controller, clients: Clients, shared: Shared, tasks: &mut Tasks) -> Result<(), Stopped> {
    let Shared { storage, metrics, identities, helm, local_repositories } = shared;
    let stop = tasks.stop_token();
    let (git, git_writer) = reflector::store::<GitRepository>();
    let (repositories, repositories_writer) = reflector::store::<HelmRepository>();
    let (charts, charts_writer) = reflector::store::<HelmChart>();
    // Before anything on disk is touched: who has the address may have the storage, too.
    let listener = serve::bind(&settings.storage.addr).await?;
    let claims: Vec<Box<dyn artifacts::Claims>> = vec![
        Box::new(claims::Stored(git.clone())),
        Box::new(claims::Stored(repositories.clone())),
        Box::new(claims::Stored(charts.clone())),
    ];
    let router = serve::trace(artifacts::router(storage.root().to_owned(), Arc::new(claims::All(claims))), "artifact-server");
    tasks.spawn("artifact server", serve::serve(listener, router, stop.clone()));
    let posting = if settings.events.addr.is_empty() { Posting::Off } else { Posting::On };
    let (recorder, queues) = notify::recorder(posting);
    let instance = leases::identity().split('_').next().unwrap_or_default().to_owned();
    if posting == Posting::On {
        tasks.flush("event posts", Webhook::new(&settings.events.addr, instance.clone())?.run(queues.webhook));
    }
    tasks.flush("event writes", Kubernetes::new(clients.events, instance).run(queues.kubernetes));
    let reconciling = &settings.reconciling;
    let cx = Arc::new(Ctx {
        client: clients.objects,
        storage,
        scratch: scratch(&settings.storage.path)?,
        intact: <_>::default(),
        resumed: <_>::default(),
        advertised: with_scheme(&settings.storage.advertised()?),
        recorder,
        metrics,
        retries: Retries::new(reconciling.min_retry_delay, reconciling.max_retry_delay),
        jitter_percent: reconciling.interval_jitter_percentage,
        git_limits: limits(&settings.limits),
        clients: headwater_http::Clients::default(),
        git_mirrors: mirrors(settings)?,
        git_algorithms: git::Algorithms {
            key_exchange: settings.auth.ssh_kex_algos.clone(),
            host_keys: settings.auth.ssh_hostkey_algos.clone(),
        },
        identities,
        helm: helm.clone(),
        sources: Sources { git: git.clone(), helm: repositories.clone() },
        requeue_dependency: reconciling.requeue_dependency,
        local_repositories,
    });
    let (tell, hear) = mpsc::unbounded();
    let telling = || Links { tell: Some(tell.clone()), hear: None };
    let hearing = Links { tell: None, hear: Some(hear) };
    tasks.spawn("helm index cache", purge(helm.indexes, settings.helm.cache_purge_interval, stop.clone()));
    let (on, with) = (reconciling.clone(), Arc::clone(&cx));
    tasks.spawn("gitrepository controller", lane::run(with, git, git_writer, on, telling(), stop.clone()));
    let (on, with) = (reconciling.clone(), Arc::clone(&cx));
    tasks.spawn("helmrepository controller", lane::run(with, repositories, repositories_writer, on, telling(), stop.clone()));
    tasks.spawn("helmchart controller", lane::run(cx, charts, charts_writer, reconciling.clone(), hearing, stop));
    Ok(())
}

/// Drops indexes that have had their time, from time to time.
async fn purge(indexes: Indexes, every: Duration, stop: CancellationToken) {
    let every = every.clamp(Duration::from_secs(1), AT_HAND);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => indexes.purge(),
        }
    }
}

fn open(settings: &settings::Storage) -> Result<Storage, Stopped> {
    let retention = Retention { ttl: settings.retention_ttl, records: settings.retention_records };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let algorithm = settings.digest_algo.parse()?;
    Ok(Storage::open(headwater_storage::Options { root: settings.path.clone(), algorithm, retention, threads })?)
}

/// An empty folder for fetches below the system's temporary one. It is named after the storage, so that what a killed process
/// left there is found and removed.
fn scratch(storage: &Path) -> Result<PathBuf, Stopped> {
    let folder = scratch_path(storage)?;
    let told = |what: &str, error: std::io::Error| format!("cannot {what} {}: {error}; set TMPDIR to a writable folder", folder.display());
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(told("clear", error).into()),
        _ => {}
    }
    DirBuilder::new().mode(0o700).recursive(true).create(&folder).map_err(|error| told("create", error))?;
    Ok(folder)
}

/// Where that folder is; the storage must be there.
fn scratch_path(storage: &Path) -> std::io::Result<PathBuf> {
    let storage = storage.canonicalize()?;
    let digest = headwater_storage::Algorithm::Sha256.digest(storage.as_os_str().as_encoded_bytes());
    Ok(std::env::temp_dir().join(format!("headwater-{:.12}", digest.hex())))
}

/// Who this process is to those who issue credentials.
fn identities(settings: &Controller) -> Identities {
    let auth = &settings.auth;
    Identities {
        environment: std::env::vars().collect(),
        cache: Cache::new(usize::try_from(auth.token_cache_max_size).unwrap_or(usize::MAX), auth.token_cache_max_duration),
        default_account: auth.default_service_account.clone(),
        named_accounts: if settings.gates().object_level_workload_identity { NamedAccounts::Allowed } else { NamedAccounts::Refused },
    }
}

/// The numbers of this process, with those of its caches where they are on.
fn metrics(tokens: &Cache, indexes: &Indexes) -> Metrics {
    let mut metrics = Metrics::new();
    if tokens.counts().is_some() {
        metrics.collect(tokens::Tokens(tokens.clone()));
    }
    if indexes.counts().is_some() {
        metrics.collect(indexes::Cached(indexes.clone()));
    }
    metrics
}

/// Where fetches from Git servers are kept for the next ones.
fn mirrors(settings: &Controller) -> Result<git::Mirrors, Stopped> {
    let default = || Ok::<_, std::io::Error>(scratch_path(&settings.storage.path)?.with_extension("mirrors"));
    let path = settings.limits.git_mirror_path.clone().map_or_else(default, Ok)?;
    let budget = git::Budget { size: settings.limits.git_mirror_max_size, age: settings.limits.git_mirror_max_age };
    let told = |error| format!("cannot keep mirrors in {}: {error}; set --git-mirror-path to a writable folder", path.display());
    Ok(git::Mirrors::open(&path, budget).map_err(told)?)
}

/// What passes over Helm's kinds use.
fn helm(settings: &Controller) -> Result<Helm, Stopped> {
    let sigstore = match &settings.auth.sigstore_trusted_root {
        None => cosign::Root::public()?,
        Some(path) => {
            let unusable = |why: String| format!("--sigstore-trusted-root {}: {why}", path.display());
            let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            cosign::Root::from_json(&text).map_err(|error| unusable(error.to_string()))?
        }
    };
    let settings = &settings.helm;
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let chart = chart::Limits { archive: settings.chart_max_size, file: settings.chart_file_max_size, ..chart::Limits::default() };
    let (yaml, items) = (chart.yaml, usize::try_from(settings.cache_max_size).unwrap_or(usize::MAX));
    let yaml = yaml::Limits { bytes: yaml.bytes.max(bytes(settings.chart_file_max_size)), ..yaml };
    Ok(Helm {
        limits: helm::Limits {
            index: index::Limits::of_file(settings.index_max_size),
            chart: chart::Limits { yaml, ..chart },
            registry: oci::Limits::default(),
        },
        digest_check: settings.chart_digest,
        sigstore,
        indexes: Indexes::new(Terms { items, ttl: settings.cache_ttl }),
    })
}

fn limits(settings: &settings::Limits) -> git::Limits {
    git::Limits {
        refs_size: settings.git_max_refs_size,
        pack_size: settings.git_max_pack_size,
        blob_size: settings.git_max_blob_size,
        entries: settings.git_max_entries,
        tree_size: settings.git_max_tree_size,
        idle_timeout: settings.git_idle_timeout,
    }
}

/// The advertised address as the start of a URL; a bare host is served over http.
fn with_scheme(address: &str) -> String {
    let scheme = if address.starts_with("http://") || address.starts_with("https://") { "" } else { "http://" };
    format!("{scheme}{}", address.trim_end_matches('/'))
}

/// Waits for leadership where it is asked for.
async fn lead(
    client: kube::Client,
    settings: &Controller,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Result<Option<leases::Leadership>, Stopped> {
    let leader = &settings.leader;
    if !leader.enable {
        return Ok(None);
    }
    let name = leader.lease_name(&settings.reconciling.watch_label_selector);
    metrics.follows(&name);
    let terms = leases::Terms {
        namespace: settings.reconciling.runtime_namespace.clone(),
        name: name.clone(),
        identity: leases::identity(),
        lease: leader.lease_duration,
        renew: leader.renew_deadline,
        retry: leader.retry_period,
        end: if leader.release_on_cancel { End::Release } else { End::Expire },
    };
    // The only way not to lead is to be stopped before.
    let leadership = leases::lead(client, terms, stop).await.ok();
    if leadership.is_some() {
        metrics.leads(&name);
    }
    Ok(leadership)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_behind_is_swept() -> Result<(), Stopped> {
        let storage = tempfile::tempdir()?;
        let folder = scratch(storage.path())?;
        std::fs::write(folder.join("pack"), "half")?;
        assert_eq!(scratch(storage.path())?, folder);
        assert_eq!(std::fs::read_dir(&folder)?.count(), 0);
        std::fs::remove_dir(folder)?;
        Ok(())
    }

    #[test]
    fn an_advertised_address_keeps_its_scheme_and_gets_http_without_one() {
        assert_eq!(with_scheme("source.flux.svc."), "http://source.flux.svc.");
        assert_eq!(with_scheme("https://artifacts.example/"), "https://artifacts.example");
    }
}
