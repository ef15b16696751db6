//! Ask the remote; unless nothing changed, fetch and store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_api::Artifact;
use headwater_api::git_repository::GitRepository;
use headwater_api::reason;
use headwater_storage::{Digest, Ignore, Location, Stored};
use kube::ResourceExt;
use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use crate::fetch::git::{self, Checkout, Head, Remote};
use crate::notify::{Event, Severity};
use crate::reconcile::drive::{blocking, trace_event};
use crate::reconcile::failure::{Failure, chain};
use crate::reconcile::pass::{Done, Fact, Pass};
use crate::reconcile::{Ctx, Reconcile};

/// Of each object the stored file that was read whole and found intact since the start: path and digest.
#[derive(Debug, Default)]
pub struct Intact(Mutex<HashMap<String, (String, String)>>);

impl Intact {
    fn knows(&self, artifact: &Artifact) -> bool {
        self.known().get(folder(artifact)).is_some_and(|(path, digest)| (path, digest) == (&artifact.path, &artifact.digest))
    }

    fn add(&self, artifact: &Artifact) {
        self.known().insert(folder(artifact).to_owned(), (artifact.path.clone(), artifact.digest.clone()));
    }

    /// Forgets the file of an object.
    pub fn forget(&self, artifact: &Artifact) {
        self.known().remove(folder(artifact));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object's folder.
fn folder(artifact: &Artifact) -> &str {
    artifact.path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Carries out a plan.
pub async fn run(object: &GitRepository, plan: &Plan, cx: &Ctx, pass: &mut Pass) -> Result<Done, Failure> {
    let kept = kept(object, cx, pass).await;
    if let Some(artifact) = &kept {
        collect(object, artifact, cx).await;
    }
    let deadline = tokio::time::Instant::now() + object.schedule()?.timeout;
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let remote = Remote {
        url: plan.url.clone(),
        auth: plan.auth.clone(),
        proxy: None,
        algorithms: git::Algorithms::default(),
        limits: cx.git_limits,
        deadline,
        cancel: stop,
        clients: cx.git_clients.clone(),
        local: cx.local_repositories,
    };
    let head = git::resolve(&remote, &plan.reference).await?;
    if let Some(artifact) = kept.filter(|artifact| artifact.revision == head.revision && same_content(object, plan)) {
        pass.learnt(Fact::Fetched);
        let message = stored_message(&head.revision);
        return Ok(Done::Unchanged { artifact: advertised(artifact, cx), message, checksum: plan.checksum.clone() });
    }
    let scratch = tempfile::tempdir_in(&cx.scratch)
        .map_err(|error| Failure::storage(reason::DIR_CREATION_FAILED, format!("failed to create temporary working directory: {error}")))?;
    let checkout = git::fetch(&remote, &head, scratch.path()).await?;
    pass.learnt(Fact::Fetched);
    if object.status().artifact.is_none_or(|artifact| artifact.revision != head.revision) {
        pass.learnt(Fact::NewRevision(head.revision.clone()));
    }
    let message = stored_message(&checkout.commit_summary());
    let artifact = store(object, &head, checkout, cx).await?;
    Ok(Done::Stored { artifact, message, checksum: plan.checksum.clone() })
}

fn stored_message(subject: &str) -> String {
    format!("stored artifact for commit '{subject}'")
}

/// The artifact that the status names, if it is in storage and intact.
async fn kept(object: &GitRepository, cx: &Ctx, pass: &mut Pass) -> Option<Artifact> {
    let artifact = object.status().artifact?;
    let problem = match (Location::parse(&artifact.path), artifact.digest.parse::<Digest>()) {
        (Ok(at), Ok(digest)) if cx.storage.exists(&at) => {
            if cx.intact.knows(&artifact) {
                return Some(artifact);
            }
            let storage = cx.storage.clone();
            match blocking(move || storage.verify(&at, &digest).inspect_err(|_| drop(storage.remove(&at)))).await {
                Ok(()) => {
                    cx.intact.add(&artifact);
                    return Some(artifact);
                }
                Err(error) => Some(chain(&error)),
            }
        }
        _ => None,
    };
    cx.intact.forget(&artifact);
    if let Some(problem) = problem {
        let message = format!("failed to verify integrity of artifact: {problem}");
        tracing::warn!("{message}");
        cx.recorder.record(Event::about(object, Severity::Error, "ArtifactVerificationFailed", &message));
    }
    pass.learnt(Fact::ArtifactLost);
    None
}

/// Whether the artifact was made under the configuration of the plan. The checksum may be missing, as under CRDs that do not
/// know it, or be older than the artifact, where source-controller made that; so the observed fields have to agree as well.
fn same_content(object: &GitRepository, plan: &Plan) -> bool {
    let (spec, status) = (&object.spec, object.status());
    status.content_config_checksum.is_none_or(|checksum| checksum == plan.checksum)
        && spec.ignore == status.observed_ignore
        && spec.recurse_submodules == status.observed_recurse_submodules
        && spec.include == status.observed_include
        && spec.sparse_checkout == status.observed_sparse_checkout
}

fn advertised(mut artifact: Artifact, cx: &Ctx) -> Artifact {
    artifact.url = format!("{}/{}", cx.advertised, artifact.path);
    artifact
}

/// Cancels what blocks elsewhere when the pass ends early.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn store(object: &GitRepository, head: &Head, checkout: Checkout, cx: &Ctx) -> Result<Artifact, Failure> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let at = Location::new("gitrepository", &namespace, &name, &format!("{}.tar.gz", head.id))?;
    let path = at.path();
    let (storage, ignore) = (cx.storage.clone(), object.spec.ignore.clone());
    let cancel = CancelOnDrop(Arc::default());
    let cancelled = Arc::clone(&cancel.0);
    let stored: Result<Stored, Failure> = blocking(move || {
        let entries = checkout.entries()?;
        let ignore = Ignore::new(&checkout.sourceignore()?, ignore.as_deref());
        Ok(storage.archive(&at, &entries, &checkout, &ignore, &cancelled)?)
    })
    .await;
    let Stored { digest, size } = stored?;
    let artifact = Artifact {
        path,
        revision: head.revision.clone(),
        digest: digest.to_string(),
        last_update_time: headwater_api::time::now(),
        size: i64::try_from(size).ok(),
        ..Artifact::default()
    };
    cx.intact.add(&artifact);
    Ok(advertised(artifact, cx))
}

/// Removes what retention no longer keeps. Best effort: a failure is logged and tried again at the next pass.
async fn collect(object: &GitRepository, keep: &Artifact, cx: &Ctx) {
    let Ok(keep) = Location::parse(&keep.path) else { return };
    let storage = cx.storage.clone();
    match blocking(move || storage.collect(&keep)).await {
        Ok(removed) if !removed.is_empty() => {
            let message = format!("garbage collected {} artifacts", removed.len());
            trace_event(object, cx, reason::GARBAGE_COLLECTION_SUCCEEDED, &message);
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "garbage collection of artifacts failed"),
    }
}
