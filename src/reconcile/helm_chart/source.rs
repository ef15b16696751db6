//! The object that a chart comes from.

use headwater_api::helm_chart::HelmChart;
use headwater_api::{Artifact, GitRepository, HelmRepository, git_repository, helm_repository, meta, reason};
use headwater_storage::Location;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::reconcile::Ctx;
use crate::reconcile::failure::{BoxError, Failure, Fate, Mark};
use crate::telemetry;

/// The kind of sources that are buckets.
const BUCKET: &str = "Bucket";

/// Where the other kinds' objects are looked up.
#[derive(Clone)]
pub struct Sources {
    /// Git repositories.
    pub git: Store<GitRepository>,
    /// Helm repositories.
    pub helm: Store<HelmRepository>,
}

/// What a chart comes from.
pub enum Source {
    /// A repository of charts.
    Repository(Box<HelmRepository>),
    /// A tree of files, from Git or a bucket.
    Tree {
        /// Its kind.
        kind: String,
        /// The archive, if there is one.
        artifact: Option<Artifact>,
    },
}

impl Source {
    /// The artifact that the source has.
    pub fn artifact(&self) -> Option<Artifact> {
        match self {
            Self::Repository(repository) => repository.status.as_ref()?.artifact.clone(),
            Self::Tree { artifact, .. } => artifact.clone(),
        }
    }

    /// Whether it is of use without an artifact.
    fn needs_none(&self) -> bool {
        matches!(self, Self::Repository(repository) if repository.spec.is_oci())
    }
}

/// Looks up the source of `object`.
pub async fn find(object: &HelmChart, cx: &Ctx) -> Result<Source, Failure> {
    let named = &object.spec.source_ref;
    let namespace = object.namespace().unwrap_or_default();
    let (name, client) = (named.name.as_str(), &cx.client);
    let unavailable = |why: BoxError| Failure::fetch(reason::SOURCE_UNAVAILABLE, format!("failed to get source: {why}"));
    Ok(match named.kind.as_str() {
        helm_repository::KIND => {
            let found = get(&cx.sources.helm, client, &namespace, name).await;
            Source::Repository(Box::new(found.map_err(|error| unavailable(told(&error, &named.kind, name)))?))
        }
        git_repository::KIND => {
            let found: GitRepository =
                get(&cx.sources.git, client, &namespace, name).await.map_err(|error| unavailable(told(&error, &named.kind, name)))?;
            Source::Tree { kind: named.kind.clone(), artifact: found.status.and_then(|status| status.artifact) }
        }
        BUCKET => {
            let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(meta::GROUP, "v1", BUCKET), "buckets");
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
            let found = api.get(name).await.map_err(|error| unavailable(told(&error, &named.kind, name)))?;
            let artifact = found.data.pointer("/status/artifact").and_then(|value| serde_json::from_value(value.clone()).ok());
            Source::Tree { kind: named.kind.clone(), artifact }
        }
        other => {
            let message = format!(
                "failed to get source: unsupported source kind '{other}', must be one of: [{} {} {BUCKET}]",
                helm_repository::KIND,
                git_repository::KIND
            );
            return Err(Failure::fetch(reason::UNSUPPORTED_SOURCE_KIND, message).stalled());
        }
    })
}

/// The source with its artifact, which is in storage; without one, if it needs none.
pub async fn ready(object: &HelmChart, cx: &Ctx) -> Result<(Source, Option<Artifact>), Failure> {
    let source = find(object, cx).await?;
    let stored = |artifact: &Artifact| Location::parse(&artifact.path).is_ok_and(|at| cx.storage.exists(&at));
    let artifact = source.artifact().filter(stored);
    if artifact.is_none() && !source.needs_none() {
        let named = &object.spec.source_ref;
        let message = format!("no artifact available for {} source '{}'", named.kind, named.name);
        let (mark, fate) = (Some(Mark::FetchFailed), Fate::Wait(cx.requeue_dependency));
        return Err(Failure { mark, reason: reason::NO_SOURCE_ARTIFACT, fate, source: message.into() });
    }
    Ok((source, artifact))
}

/// All Helm repositories in the namespace of `object`.
pub async fn repositories(object: &HelmChart, cx: &Ctx) -> kube::Result<Vec<HelmRepository>> {
    let api: Api<HelmRepository> = Api::namespaced(cx.client.clone(), &object.namespace().unwrap_or_default());
    Ok(api.list(&<_>::default()).await?.items)
}

/// An object as it is watched, or else as the API server has it: others may be watched by another process.
async fn get<K>(store: &Store<K>, client: &kube::Client, namespace: &str, name: &str) -> kube::Result<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug + 'static,
{
    match store.get(&ObjectRef::new(name).within(namespace)) {
        Some(found) => Ok(found.as_ref().clone()),
        None => Api::namespaced(client.clone(), namespace).get(name).await,
    }
}

/// What the API server said, with the kind's name where the object is not there.
fn told(error: &kube::Error, kind: &str, name: &str) -> BoxError {
    match error {
        kube::Error::Api(status) if status.code == 404 => format!("{kind}.{} \"{name}\" not found", meta::GROUP).into(),
        other => telemetry::told(other).into(),
    }
}
