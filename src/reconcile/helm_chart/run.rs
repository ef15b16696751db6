//! Find the source, build the chart, and store it unless it is there.

use headwater_api::helm_chart::HelmChart;
use headwater_api::{Artifact, reason};
use headwater_storage::{Location, Stored};
use kube::ResourceExt;

use super::build::{self, Build};
use super::order::Order;
use super::source::{self, Source};
use super::{LATEST, local, remote};
use crate::reconcile::aid::{CancelOnDrop, blocking, trace_event};
use crate::reconcile::failure::{Failure, chain};
use crate::reconcile::pass::{Done, Fact, Kept, Pass};
use crate::reconcile::{Ctx, kept};

/// One pass.
pub async fn run(object: &HelmChart, cx: &Ctx, pass: &mut Pass) -> Result<Done, Failure> {
    let kept = kept::artifact(object, object.status.clone().unwrap_or_default().artifact, cx, pass).await?;
    let (source, artifact) = source::ready(object, cx).await?;
    if let Some(artifact) = &artifact {
        pass.learnt(Fact::Source(artifact.revision.clone()));
    }
    if object.spec.verify.is_none() {
        pass.learnt(Fact::Unverified);
    }
    let order = Order::new(object, kept.as_ref());
    let mut build = match (&source, &artifact) {
        (Source::Repository(repository), artifact) => remote::build(object, repository, artifact.as_ref(), &order, cx, pass).await?,
        (Source::Tree { kind, .. }, Some(artifact)) => local::build(object, kind, artifact, &order, cx).await?,
        (Source::Tree { .. }, None) => return Err(Failure::fetch(reason::NO_SOURCE_ARTIFACT, "no artifact available")),
    };
    pass.learnt(Fact::Built);
    if build.dependencies > 0 {
        trace_event(object, cx, "ResolvedDependencies", &format!("resolved {} chart dependencies", build.dependencies));
    }
    let status = object.status.as_ref();
    let named = status.and_then(|status| status.observed_chart_name.as_deref()) == Some(&build.name);
    if !named || kept.as_ref().is_none_or(|artifact| artifact.revision != build.version) {
        let message = build.summary();
        pass.learnt(Fact::Outdated { reason: reason::NEW_CHART, message });
    }
    let checksum = order.checksum;
    let Some(content) = build.content.take() else {
        let artifact = kept.ok_or_else(|| build::Error::package("the chart that was there is gone"))?;
        let there = told(kept::with_url(artifact, cx), &build, checksum);
        // A change of the object that makes no other chart is nothing to tell of.
        let changed = status.and_then(|status| status.observed_generation) != object.metadata.generation;
        return Ok(if changed { Done::Stored(there) } else { Done::Unchanged(there) });
    };
    let artifact = store(object, &build, content, cx).await?;
    let values_files = if object.spec.ignore_missing_values_files { build.values_files.clone() } else { Vec::new() };
    pass.learnt(Fact::Chart { name: build.name.clone(), values_files });
    Ok(Done::Stored(told(artifact, &build, checksum)))
}

fn told(artifact: Artifact, build: &Build, checksum: String) -> Kept {
    let summary = build.summary();
    Kept { artifact, reason: Some(build.reason()), condition: summary.clone(), event: summary, checksum, included: Vec::new() }
}

/// Stores the bytes of a chart.
async fn store(object: &HelmChart, build: &Build, content: Vec<u8>, cx: &Ctx) -> Result<Artifact, Failure> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    // A repository may have folders; the artifact has none.
    let chart = build.name.rsplit('/').next().unwrap_or(&build.name);
    let at = Location::new("helmchart", &namespace, &name, &format!("{chart}-{}.tgz", build.version)).map_err(|error| unstored(&error))?;
    let (storage, file, verified) = (cx.storage.clone(), at.clone(), build.verified.clone());
    let cancel = CancelOnDrop::default();
    let cancelled = cancel.flag();
    let stored = blocking(move || {
        let written = |source| headwater_storage::Error::Write { path: storage.file(&file), source };
        let stored = storage.store(&file, &cancelled, |out| out.write_all(&content).map_err(written))?;
        if let Some(manifest) = verified {
            storage.note(&file, manifest.as_bytes())?;
        }
        Ok((stored, storage.link(&file, LATEST)))
    });
    let (stored, linked): (Stored, _) = stored.await.map_err(|error: headwater_storage::Error| unstored(&error))?;
    if let Err(error) = linked {
        trace_event(object, cx, reason::SYMLINK_UPDATE_FAILED, &format!("failed to update status URL symlink: {}", chain(&error)));
    }
    Ok(kept::new(&at, build.version.clone(), &stored, cx))
}

fn unstored(error: &headwater_storage::Error) -> Failure {
    match error {
        headwater_storage::Error::Directory { .. } => {
            Failure::storage(reason::DIR_CREATION_FAILED, format!("failed to create artifact directory: {}", chain(error)))
        }
        other => Failure::storage(reason::ARCHIVE_OPERATION_FAILED, format!("unable to copy Helm chart to storage: {}", chain(other))),
    }
}
