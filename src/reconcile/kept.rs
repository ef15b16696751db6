//! The artifact that an object has already: whether it is in storage, and as it was.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use headwater_api::{Artifact, reason};
use headwater_storage::{Digest, Location, Stored};

use super::aid::{blocking, trace_event};
use super::failure::{Failure, chain};
use super::pass::{Fact, Pass};
use super::{Ctx, Reconcile};
use crate::notify::{Event, Severity};

/// Of each object the stored file that was read whole and found intact since the start: path and digest.
#[derive(Debug, Default)]
pub struct Intact(Mutex<HashMap<String, (String, String)>>);

impl Intact {
    fn knows(&self, artifact: &Artifact) -> bool {
        self.known().get(folder(artifact)).is_some_and(|(path, digest)| (path, digest) == (&artifact.path, &artifact.digest))
    }

    /// Notes that the file of an object is as it should be.
    pub fn add(&self, artifact: &Artifact) {
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

/// Why there is no artifact.
pub enum Lost {
    /// It is not there.
    Gone,
    /// It is not as it was; in words.
    Damaged(String),
    /// It cannot be read now.
    Unread(headwater_storage::Error),
}

/// The artifact that the status names, if it is in storage and intact; what else there is of the object and no longer kept is
/// removed.
///
/// # Errors
/// When the file is there and cannot be read: it stays.
pub async fn artifact<K: Reconcile>(object: &K, named: Option<Artifact>, cx: &Ctx, pass: &mut Pass) -> Result<Option<Artifact>, Failure> {
    let Some(named) = named else { return Ok(None) };
    match look(&named, cx).await {
        Ok(()) => {
            collect(object, &named, cx).await;
            return Ok(Some(named));
        }
        Err(Lost::Gone) => {}
        Err(Lost::Unread(error)) => {
            return Err(Failure::storage(reason::READ_OPERATION_FAILED, format!("failed to read artifact: {}", chain(&error))));
        }
        Err(Lost::Damaged(problem)) => {
            let (storage, at) = (cx.storage.clone(), Location::parse(&named.path));
            blocking(move || at.map(|at| storage.remove(&at)).map(drop)).await.ok();
            let message = format!("failed to verify integrity of artifact: {problem}");
            tracing::warn!("{message}");
            cx.recorder.record(Event::about(object, Severity::Error, "ArtifactVerificationFailed", &message));
        }
    }
    pass.learnt(Fact::ArtifactLost);
    Ok(None)
}

/// Makes sure that an artifact is in storage and intact. It is read once since the start.
pub async fn look(artifact: &Artifact, cx: &Ctx) -> Result<(), Lost> {
    let (Ok(at), Ok(digest)) = (Location::parse(&artifact.path), artifact.digest.parse::<Digest>()) else { return Err(Lost::Gone) };
    if !cx.storage.exists(&at) {
        cx.intact.forget(artifact);
        return Err(Lost::Gone);
    }
    if cx.intact.knows(artifact) {
        return Ok(());
    }
    let storage = cx.storage.clone();
    match blocking(move || storage.verify(&at, &digest)).await {
        Ok(()) => {
            cx.intact.add(artifact);
            Ok(())
        }
        Err(error) => {
            cx.intact.forget(artifact);
            match error {
                headwater_storage::Error::Read { ref source, .. } if source.kind() != std::io::ErrorKind::NotFound => {
                    Err(Lost::Unread(error))
                }
                error => Err(Lost::Damaged(chain(&error))),
            }
        }
    }
}

/// The artifact that was stored just now.
pub fn new(at: &Location, revision: String, stored: &Stored, cx: &Ctx) -> Artifact {
    let artifact = Artifact {
        path: at.path(),
        revision,
        digest: stored.digest.to_string(),
        last_update_time: headwater_api::time::now(),
        size: i64::try_from(stored.size).ok(),
        ..Artifact::default()
    };
    cx.intact.add(&artifact);
    with_url(artifact, cx)
}

/// Where an artifact is served.
pub fn advertised(artifact: &Artifact, cx: &Ctx) -> String {
    format!("{}/{}", cx.advertised, artifact.path)
}

/// An artifact with the URL where it is served now.
pub fn with_url(artifact: Artifact, cx: &Ctx) -> Artifact {
    Artifact { url: advertised(&artifact, cx), ..artifact }
}

/// Removes what retention no longer keeps. Best effort: a failure is logged and tried again at the next pass.
async fn collect<K: Reconcile>(object: &K, keep: &Artifact, cx: &Ctx) {
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
