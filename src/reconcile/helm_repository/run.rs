//! Ask for the index; unless it is the one that is stored, check it and store it.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use headwater_api::helm_repository::HelmRepository;
use headwater_api::{Artifact, reason};
use headwater_golang::size::human;
use headwater_http::printable_url;
use headwater_storage::{Algorithm, Digest, Location, Storage, Stored};
use kube::ResourceExt;
use tempfile::NamedTempFile;

use super::{LATEST, table};
use crate::reconcile::aid::{CancelOnDrop, blocking, trace_event};
use crate::reconcile::failure::{Failure, chain};
use crate::reconcile::helm::access;
use crate::reconcile::pass::{Done, Fact, Kept, Pass};
use crate::reconcile::{Ctx, kept};
use headwater_helm::index;
use headwater_helm::web::{Fetched, Validators, Web};

/// The longest note of validators, in bytes.
const MOST_NOTED: u64 = 16 << 10;

/// One pass.
pub async fn run(object: &HelmRepository, cx: &Ctx, pass: &mut Pass) -> Result<Done, Failure> {
    if object.spec.url.starts_with("oci://") {
        let message = "invalid Helm repository URL: 'oci' URL scheme cannot be used with 'default' HelmRepository type";
        return Err(Failure::fetch(reason::URL_INVALID, message).stalled());
    }
    let kept = kept::artifact(object, object.status.clone().unwrap_or_default().artifact, cx, pass).await?;
    let door = access::door(object, &cx.client).await?;
    let web = Web::new(&door.access, &cx.clients)?;
    let at = kept.as_ref().and_then(|artifact| Location::parse(&artifact.path).ok());
    let known = at.as_ref().and_then(|at| noted(&cx.storage, at));
    let draft = NamedTempFile::new_in(&cx.scratch).map_err(|error| table::unscratched(&error))?;
    let fetched = web.index(known.as_ref(), cx.helm.limits.index.file, draft.as_file()).await?;
    let (artifact, validators) = match (fetched, kept) {
        (Fetched::Unchanged, Some(artifact)) => (unchanged(artifact, cx), None),
        (Fetched::Unchanged, None) => {
            return Err(Failure::fetch(reason::FAILED, "the server says that an index has not changed of which it was not asked"));
        }
        (Fetched::Written(validators), kept) => {
            let fresh = Fresh::new(draft, cx, kept.as_ref()).await?;
            match kept.filter(|artifact| artifact.revision == fresh.revision) {
                Some(artifact) => (unchanged(artifact, cx), Some(validators)),
                None => (Done::Stored(store(object, fresh, cx, pass).await?), Some(validators)),
            }
        }
    };
    pass.learnt(Fact::Fetched);
    if let Some(validators) = validators {
        note(artifact.artifact(), &validators, cx).await;
    }
    Ok(match artifact {
        Done::Stored(kept) => Done::Stored(told(object, kept)),
        Done::Unchanged(kept) => Done::Unchanged(told(object, kept)),
    })
}

fn unchanged(artifact: Artifact, cx: &Ctx) -> Done {
    cx.helm.indexes.extend(&artifact);
    Done::Unchanged(bare(kept::with_url(artifact, cx)))
}

/// An artifact of which nothing is said yet.
fn bare(artifact: Artifact) -> Kept {
    // Nothing but the upstream shapes an index.
    let checksum = Algorithm::Sha256.digest(b"{}").to_string();
    Kept { artifact, reason: None, condition: String::new(), event: String::new(), checksum, included: Vec::new() }
}

fn told(object: &HelmRepository, mut kept: Kept) -> Kept {
    kept.condition = format!("stored artifact: revision '{}'", kept.artifact.revision);
    let size = kept.artifact.size.map_or_else(|| "unknown size".into(), |size| format!("size {}", human(size.unsigned_abs())));
    kept.event = format!("stored fetched index of {size} from '{}'", printable_url(&object.spec.url));
    kept
}

/// An index that was fetched, with its revision.
struct Fresh {
    draft: NamedTempFile,
    revision: String,
}

impl Fresh {
    /// The revision is in the algorithm of the artifact that is there, if that has the same contents; in our own otherwise.
    async fn new(draft: NamedTempFile, cx: &Ctx, kept: Option<&Artifact>) -> Result<Self, Failure> {
        let storage = cx.storage.clone();
        let before = kept.and_then(|artifact| artifact.revision.parse::<Digest>().ok());
        let found = blocking(move || {
            let read = |algorithm: Algorithm| {
                let mut file: &File = draft.as_file();
                file.seek(SeekFrom::Start(0))?;
                algorithm.read(file)
            };
            let same = match before {
                Some(before) => (read(before.algorithm())? == before).then_some(before),
                None => None,
            };
            let revision = same.map_or_else(|| read(storage.algorithm()), Ok)?.to_string();
            Ok::<_, std::io::Error>(Self { draft, revision })
        });
        found.await.map_err(|error| table::unscratched(&error))
    }
}

/// Why an index is not stored.
enum Unstored {
    Index(index::Error),
    Storage(headwater_storage::Error),
}

impl From<headwater_storage::Error> for Unstored {
    fn from(error: headwater_storage::Error) -> Self {
        Self::Storage(error)
    }
}

/// Checks and stores an index.
async fn store(object: &HelmRepository, fresh: Fresh, cx: &Ctx, pass: &mut Pass) -> Result<Kept, Failure> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let hex = fresh.revision.split_once(':').map_or(fresh.revision.as_str(), |(_, hex)| hex);
    let at = Location::new("helmrepository", &namespace, &name, &format!("index-{hex}.yaml")).map_err(|error| table::unstored(&error))?;
    let (storage, limits, revision, file) = (cx.storage.clone(), cx.helm.limits.index, fresh.revision.clone(), at.clone());
    let cancel = CancelOnDrop::default();
    let cancelled = cancel.flag();
    let stored = blocking(move || {
        storage.store::<Unstored>(&file, &cancelled, |out| {
            index::normalise(fresh.draft.path(), out, &limits).map(drop).map_err(Unstored::Index)
        })
    });
    let outdated = |revision: &str| Fact::Outdated { reason: reason::NEW_REVISION, message: format!("new index revision '{revision}'") };
    let stored: Stored = stored.await.map_err(|error| match error {
        Unstored::Index(error) => table::unread(&error),
        Unstored::Storage(error) => {
            pass.learnt(Fact::Fetched);
            pass.learnt(outdated(&revision));
            table::unstored(&error)
        }
    })?;
    link(object, &at, cx).await;
    let artifact = kept::new(&at, revision, &stored, cx);
    cx.helm.indexes.remember(&artifact, &cx.storage, &cx.helm.limits.index).await;
    Ok(bare(artifact))
}

/// Lets the name that does not change lead to the artifact. Best effort.
async fn link(object: &HelmRepository, at: &Location, cx: &Ctx) {
    let (storage, at) = (cx.storage.clone(), at.clone());
    if let Err(error) = blocking(move || storage.link(&at, LATEST)).await {
        trace_event(object, cx, reason::SYMLINK_UPDATE_FAILED, &format!("failed to update status URL symlink: {}", chain(&error)));
    }
}

/// What the server said of the stored index.
fn noted(storage: &Storage, at: &Location) -> Option<Validators> {
    serde_json::from_slice(&storage.noted(at, MOST_NOTED)?).ok()
}

/// Notes what the server said of the stored index. Without it the next pass fetches the whole of it.
async fn note(artifact: &Artifact, validators: &Validators, cx: &Ctx) {
    let (Ok(at), Ok(text)) = (Location::parse(&artifact.path), serde_json::to_vec(validators)) else { return };
    let storage = cx.storage.clone();
    if storage.noted(&at, MOST_NOTED).as_ref() == Some(&text) {
        return;
    }
    if let Err(error) = blocking(move || storage.note(&at, &text)).await {
        tracing::debug!(error = %chain(&error), "cannot note what the server said of the index");
    }
}
