//! Leader election over a Lease, by the rules of client-go, so that replicas of Flux's own controller and
//! of ours can compete for the same one.
//!
//! The clock of another machine is never believed: a lease counts as expired when it has not changed for its
//! duration as seen from here. Every write carries the resource version that was read, so of two writers one wins.

use std::{future::Future, sync::Arc, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    task::{JoinError, JoinHandle},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::settings::host_name;

/// How a lease is competed for.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Where the lease is. Empty: the client's own namespace.
    pub namespace: String,
    /// What the lease is called.
    pub name: String,
    /// Who we are; unique among all replicas.
    pub identity: String,
    /// For how long others respect our lease when it is not renewed. Sent in whole seconds, at least one.
    pub lease: Duration,
    /// For how long renewing is tried before leadership counts as lost. Less than `lease`.
    pub renew: Duration,
    /// The time between two tries.
    pub retry: Duration,
    /// What becomes of the lease at the end.
    pub end: End,
}

/// What becomes of a lease when its leader stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is given up, and the next leader need not wait.
    Release,
    /// It expires.
    Expire,
}

/// A name for this process that no other has: the machine's name and a random part.
pub fn identity() -> String {
    let host = host_name();
    format!("{}_{}", host.as_deref().unwrap_or("headwater"), uuid::Uuid::new_v4())
}

/// Why there is no leadership.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Stopped while waiting.
    #[error("stopped while waiting for leadership")]
    Stopped,
}

/// One try that came to nothing.
#[derive(Debug, thiserror::Error)]
enum Miss {
    #[error("the lease is held by {0}")]
    Held(String),
    #[error("the lease changed hands while it was written")]
    Raced,
    #[error("the Kubernetes API did not answer in time")]
    Slow,
    #[error(transparent)]
    Api(#[from] kube::Error),
}

/// Leadership, kept up by a task of its own. Dropping it ends the task without releasing the lease.
#[derive(Debug)]
pub struct Leadership {
    lost: CancellationToken,
    stop: CancellationToken,
    keeper: JoinHandle<()>,
}

impl Leadership {
    /// Ends when leadership is lost; the caller must then stop all work at once and exit.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// A token that is cancelled when leadership is lost.
    pub fn lost_token(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Stops renewing and, if so agreed, gives the lease up. To be called when all work has ended.
    ///
    /// # Errors
    /// When the task that keeps the lease panicked.
    pub async fn resign(mut self) -> Result<(), JoinError> {
        self.stop.cancel();
        (&mut self.keeper).await
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Waits until the lease is ours, and from then on renews it. Failures of the API are waited out.
///
/// # Errors
/// [`Error::Stopped`] when `shutdown` comes first.
pub async fn lead(client: Client, terms: Terms, shutdown: &CancellationToken) -> Result<Leadership, Error> {
    let api = if terms.namespace.is_empty() { Api::default_namespaced(client) } else { Api::namespaced(client, &terms.namespace) };
    let mut candidate = Candidate { api, terms: Arc::new(terms), seen: None };
    candidate.acquire(shutdown).await?;
    let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
    let keeper = tokio::spawn({
        let (lost, stop) = (lost.clone(), stop.clone());
        async move {
            let _guard = lost.drop_guard();
            candidate.keep(&stop).await;
        }
    });
    Ok(Leadership { lost, stop, keeper })
}

/// The lease as last seen, and since when it is as it is.
struct Seen {
    spec: LeaseSpec,
    since: Instant,
}

struct Candidate {
    api: Api<Lease>,
    terms: Arc<Terms>,
    seen: Option<Seen>,
}

impl Candidate {
    async fn acquire(&mut self, shutdown: &CancellationToken) -> Result<(), Error> {
        let (name, retry) = (self.terms.name.clone(), self.terms.retry);
        tracing::info!(lease = name, "waiting for leadership");
        let mut told = String::new();
        loop {
            let tried = tokio::select! {
                () = shutdown.cancelled() => return Err(Error::Stopped),
                tried = self.bounded(self.terms.renew) => tried,
            };
            match tried {
                Ok(()) => {
                    tracing::info!(lease = name, identity = self.terms.identity, "leadership acquired");
                    return Ok(());
                }
                Err(miss @ (Miss::Held(_) | Miss::Raced)) if told != miss.to_string() => {
                    told = miss.to_string();
                    tracing::info!(lease = name, "not the leader: {told}");
                }
                Err(Miss::Held(_) | Miss::Raced) => {}
                Err(miss) => tracing::error!(lease = name, error = %miss, "cannot acquire leadership"),
            }
            // Spread out, so that candidates do not meet again.
            let wait = retry.mul_f64(1.0 + rand::random::<f64>() * 1.2);
            tokio::select! {
                () = shutdown.cancelled() => return Err(Error::Stopped),
                () = sleep(wait) => {}
            }
        }
    }

    /// Renews until told to stop or until it has failed for as long as allowed.
    async fn keep(&mut self, stop: &CancellationToken) {
        let Terms { renew, retry, end, .. } = *self.terms;
        let mut deadline = Instant::now() + renew;
        loop {
            let left = || deadline.saturating_duration_since(Instant::now());
            let mut started = Instant::now();
            let turn = async {
                sleep(retry.min(left())).await;
                started = Instant::now();
                self.bounded(left()).await
            };
            let tried = tokio::select! {
                () = stop.cancelled() => None,
                tried = turn => Some(tried),
            };
            let Some(tried) = tried else {
                if end == End::Release {
                    self.release().await;
                }
                return;
            };
            match tried {
                Ok(()) => deadline = started + renew,
                Err(Miss::Held(holder)) => {
                    tracing::error!(lease = self.terms.name, "leadership lost to {holder}");
                    return;
                }
                Err(miss) if Instant::now() >= deadline => {
                    tracing::error!(lease = self.terms.name, error = %miss, "leadership lost: not renewed in time");
                    return;
                }
                Err(miss) => tracing::info!(lease = self.terms.name, error = %miss, "lease not renewed, trying again"),
            }
        }
    }

    async fn bounded(&mut self, most: Duration) -> Result<(), Miss> {
        timeout(most, self.try_once()).await.unwrap_or(Err(Miss::Slow))
    }

    /// Reads the lease, and takes or renews it if the rules allow.
    async fn try_once(&mut self) -> Result<(), Miss> {
        let Some(mut lease) = self.api.get_opt(&self.terms.name).await? else {
            let spec = self.claim(None);
            let mut lease = Lease { spec: Some(spec), ..Lease::default() };
            lease.metadata.name = Some(self.terms.name.clone());
            return self.written(raced(self.api.create(&PostParams::default(), &lease)).await?);
        };
        let current = lease.spec.unwrap_or_default();
        let since = self.observe(&current);
        if let Some(holder) = blocking(&current, &self.terms, since.elapsed()) {
            return Err(Miss::Held(holder.to_owned()));
        }
        lease.spec = Some(self.claim(Some(&current)));
        self.written(raced(self.api.replace(&self.terms.name, &PostParams::default(), &lease)).await?)
    }

    /// Since when the lease is as it is, seen from here.
    fn observe(&mut self, spec: &LeaseSpec) -> Instant {
        match &self.seen {
            Some(seen) if seen.spec == *spec => seen.since,
            _ => {
                let since = Instant::now();
                self.seen = Some(Seen { spec: spec.clone(), since });
                since
            }
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the end of a try")]
    fn written(&mut self, lease: Lease) -> Result<(), Miss> {
        self.seen = lease.spec.map(|spec| Seen { spec, since: Instant::now() });
        Ok(())
    }

    /// The lease as ours, following on from the one before.
    fn claim(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        claim(&self.terms, before, Timestamp::now())
    }

    /// Gives the lease up if it is still ours. What fails here heals by expiry.
    async fn release(&self) {
        let give_up = async {
            let Some(mut lease) = self.api.get_opt(&self.terms.name).await? else { return Ok(()) };
            let Some(current) = lease.spec.take().filter(|spec| holder(spec) == self.terms.identity) else {
                return Ok(());
            };
            lease.spec = Some(LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(1),
                ..claim(&self.terms, Some(&current), Timestamp::now())
            });
            raced(self.api.replace(&self.terms.name, &PostParams::default(), &lease)).await.map(drop)
        };
        match timeout(self.terms.retry, give_up).await.unwrap_or(Err(Miss::Slow)) {
            Ok(()) => tracing::info!(lease = self.terms.name, "leadership released"),
            Err(miss) => tracing::info!(lease = self.terms.name, error = %miss, "lease not released, it will expire"),
        }
    }
}

/// Tells a lost race apart from other failures.
async fn raced<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Miss> {
    call.await.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 409 => Miss::Raced,
        error => Miss::Api(error),
    })
}

fn holder(spec: &LeaseSpec) -> &str {
    spec.holder_identity.as_deref().unwrap_or_default()
}

/// Who keeps us from taking the lease: another holder, unless it has been silent for the lease's duration.
fn blocking<'a>(spec: &'a LeaseSpec, terms: &Terms, silent: Duration) -> Option<&'a str> {
    let holder = holder(spec);
    if holder.is_empty() || holder == terms.identity {
        return None;
    }
    // What the holder promised counts, and never less than our own terms.
    let promised = u64::try_from(spec.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
    (silent < terms.lease.max(Duration::from_secs(promised))).then_some(holder)
}

fn claim(terms: &Terms, before: Option<&LeaseSpec>, now: Timestamp) -> LeaseSpec {
    let mut spec = before.cloned().unwrap_or_default();
    if before.is_none_or(|before| holder(before) != terms.identity) {
        spec.acquire_time = Some(MicroTime(now));
        spec.lease_transitions = Some(before.map_or(0, |before| before.lease_transitions.unwrap_or_default() + 1));
    }
    spec.holder_identity = Some(terms.identity.clone());
    spec.lease_duration_seconds = Some(i32::try_from(terms.lease.as_secs().max(1)).unwrap_or(i32::MAX));
    spec.renew_time = Some(MicroTime(now));
    spec
}

#[cfg(test)]
mod tests;
