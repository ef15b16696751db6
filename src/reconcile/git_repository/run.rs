//! Ask the remote; unless nothing changed, fetch, verify, include and store.

use headwater_api::Artifact;
use headwater_api::git_repository::GitRepository;
use headwater_api::reason;
use headwater_storage::{Ignore, Location, Stored};
use kube::ResourceExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::include::{self, Tree};
use super::plan::{self, Plan};
use super::{issued, signatures};
use crate::reconcile::aid::{CancelOnDrop, blocking};
use crate::reconcile::failure::Failure;
use crate::reconcile::pass::{Done, Fact, Includes, Kept, Pass};
use crate::reconcile::{Ctx, Reconcile, kept};
use headwater_git::{self as git, Head, Remote};

/// Carries out a plan.
pub async fn run(object: &GitRepository, plan: &Plan, cx: &Ctx, pass: &mut Pass) -> Result<Done, Failure> {
    let deadline = Instant::now() + object.schedule()?.timeout;
    let kept = kept::artifact(object, object.status().artifact, cx, pass).await?;
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let (credentials, identity) = issued::credentials(object, plan, cx).await?;
    let included = include::artifacts(object, cx).await?;
    pass.learnt(Fact::Included(compared(&object.status().included_artifacts, &included)));
    let checksum = plan::checksum(&object.spec, &included);
    let remote = Remote {
        url: plan.url.clone(),
        credentials,
        identity,
        trust: plan.trust.clone(),
        ssh: plan.ssh.clone(),
        proxy: plan.proxy.clone(),
        algorithms: cx.git_algorithms.clone(),
        limits: cx.git_limits,
        asked: pass.asked(),
        deadline,
        cancel: stop,
        clients: cx.clients.clone(),
        mirrors: cx.git_mirrors.clone(),
        local: cx.local_repositories,
    };
    let head = git::resolve(&remote, &plan.reference).await?;
    if let Some(artifact) = kept.as_ref().filter(|artifact| artifact.revision == head.revision)
        && same_content(object, &checksum, &included)
    {
        pass.learnt(Fact::Fetched);
        let event = stored_message(&head.revision);
        return Ok(Done::Unchanged(told(kept::with_url(artifact.clone(), cx), event, checksum, included)));
    }
    let work = Work { object, plan, cx, remote, included, previous: kept.and_then(|artifact| Location::parse(&artifact.path).ok()) };
    let (artifact, event) = work.store(head, pass).await?;
    Ok(Done::Stored(told(artifact, event, checksum, work.included)))
}

fn told(artifact: Artifact, event: String, checksum: String, included: Vec<Artifact>) -> Kept {
    let condition = format!("stored artifact for revision '{}'", artifact.revision);
    Kept { artifact, reason: None, condition, event, checksum, included }
}

/// Fetching and storing a revision.
struct Work<'a> {
    object: &'a GitRepository,
    plan: &'a Plan,
    cx: &'a Ctx,
    remote: Remote,
    /// The artifacts of `spec.include`.
    included: Vec<Artifact>,
    /// The artifact that is there already.
    previous: Option<Location>,
}

impl Work<'_> {
    /// Stores `head` and returns the artifact with what its event says. What turns out to be damaged in a mirror is fetched once more.
    async fn store(&self, head: Head, pass: &mut Pass) -> Result<(Artifact, String), Failure> {
        let (head, tree, message) = self.fetch(head, pass).await?;
        match self.archive(&head, tree).await {
            Err(Unstored::Damaged(failure)) => {
                tracing::warn!(error = %failure.message(), "what was kept of the repository is damaged; fetching it again");
                let (head, tree, message) = self.fetch(head, pass).await?;
                Ok((self.archive(&head, tree).await?, message))
            }
            done => Ok((done?, message)),
        }
    }

    /// Fetches, verifies, and adds what is included.
    async fn fetch(&self, mut head: Head, pass: &mut Pass) -> Result<(Head, Tree, String), Failure> {
        let (object, cx) = (self.object, self.cx);
        let scratch = tempfile::tempdir_in(&cx.scratch).map_err(|error| {
            Failure::storage(reason::DIR_CREATION_FAILED, format!("failed to create temporary working directory: {error}"))
        })?;
        let content = &self.plan.content;
        let checkout = match git::fetch(&self.remote, &head, content, &scratch.path().join("first")).await {
            // It moved since it was asked for, and the server gives away only what it is now.
            Err(git::Error::CommitNotFound { .. }) if !matches!(self.plan.reference, git::Reference::Commit { .. }) => {
                let remote = Remote { asked: Instant::now(), ..self.remote.clone() };
                head = git::resolve(&remote, &self.plan.reference).await?;
                git::fetch(&remote, &head, content, &scratch.path().join("second")).await?
            }
            fetched => fetched?,
        };
        pass.learnt(Fact::Fetched);
        signatures::check(object, &head, &checkout, cx, pass).await?;
        if object.status().artifact.is_none_or(|artifact| artifact.revision != head.revision) {
            pass.learnt(Fact::new_revision(&head.revision));
        }
        let message = stored_message(&checkout.commit_summary());
        let (includes, artifacts, storage, limits) =
            (object.spec.include.clone(), self.included.clone(), cx.storage.clone(), cx.git_limits);
        let cancel = CancelOnDrop::default();
        let cancelled = cancel.flag();
        let tree = blocking(move || Tree::new(checkout, &includes, &artifacts, &storage, limits, scratch, &cancelled)).await;
        if tree.is_err() {
            // Their own passes then look whether they are still intact.
            self.included.iter().for_each(|artifact| cx.intact.forget(artifact));
        }
        Ok((head, tree?, message))
    }

    async fn archive(&self, head: &Head, tree: Tree) -> Result<Artifact, Unstored> {
        let (object, cx) = (self.object, self.cx);
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let at = Location::new("gitrepository", &namespace, &name, &format!("{}.tar.gz", head.id)).map_err(Failure::from)?;
        let place = at.clone();
        let (storage, ignore, previous) = (cx.storage.clone(), object.spec.ignore.clone(), self.previous.clone());
        let cancel = CancelOnDrop::default();
        let cancelled = cancel.flag();
        let stored: Result<Stored, Unstored> = blocking(move || {
            let ignore = Ignore::new(&tree.sourceignore()?, ignore.as_deref());
            storage.archive(&at, tree.entries(), &tree, &ignore, &cancelled, previous.as_ref()).map_err(|error| {
                let damaged = matches!(error, headwater_storage::Error::Contents { .. }) && tree.discard();
                if damaged { Unstored::Damaged(error.into()) } else { Unstored::Failed(error.into()) }
            })
        })
        .await;
        Ok(kept::new(&place, head.revision.clone(), &stored?, cx))
    }
}

/// Why nothing was stored.
enum Unstored {
    /// What was fetched before cannot be read any more, and will not be used again.
    Damaged(Failure),
    /// Anything else.
    Failed(Failure),
}

impl From<Failure> for Unstored {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Unstored> for Failure {
    fn from(unstored: Unstored) -> Self {
        match unstored {
            Unstored::Damaged(failure) | Unstored::Failed(failure) => failure,
        }
    }
}

/// Whether the same revisions are included as before.
fn compared(before: &[Artifact], now: &[Artifact]) -> Includes {
    let same = before.len() == now.len() && now.iter().all(|now| before.iter().any(|before| before.revision == now.revision));
    match same {
        true => Includes::Same,
        false if before.is_empty() => Includes::New,
        false => Includes::Changed,
    }
}

fn stored_message(subject: &str) -> String {
    format!("stored artifact for commit '{subject}'")
}

/// Whether the artifact was made under the present configuration. The checksum may be missing, as under CRDs that do not know it,
/// or be older than the artifact, where source-controller made that; so the observed fields have to agree as well.
fn same_content(object: &GitRepository, checksum: &str, included: &[Artifact]) -> bool {
    let (spec, status) = (&object.spec, object.status());
    let same_artifacts = || {
        let names = |artifacts: &[Artifact]| artifacts.iter().map(|a| (a.revision.clone(), a.digest.clone())).collect::<Vec<_>>();
        names(&status.included_artifacts) == names(included)
    };
    status.content_config_checksum.as_ref().is_none_or(|before| before == checksum)
        && spec.ignore == status.observed_ignore
        && spec.recurse_submodules == status.observed_recurse_submodules
        && spec.include == status.observed_include
        && same_artifacts()
        && spec.sparse_checkout == status.observed_sparse_checkout
        && !signatures::are_due(spec.verify.as_ref(), status.source_verification_mode.as_deref())
}
