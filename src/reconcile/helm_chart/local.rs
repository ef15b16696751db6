//! Charts out of the trees of other sources.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bstr::BStr;
use headwater_api::helm_chart::HelmChart;
use headwater_api::{Artifact, git_repository, reason};
use headwater_storage::{Digest, Location};

use super::build::{Build, Error, How};
use super::dependencies;
use super::order::{Marking, Order};
use super::tree::Tree;
use crate::reconcile::Ctx;
use crate::reconcile::aid::blocking;
use crate::reconcile::failure::{Failure, Mark, chain};
use headwater_helm::chart::{Chart, Kind, Limits, Metadata, Source as _, check_path, located, merge_files};

/// So much of a revision goes into a version: labels have room for no more.
const SHORT: usize = 12;

/// Builds a chart from the tree in `artifact`, which belongs to a source of `kind`.
pub async fn build(object: &HelmChart, kind: &str, artifact: &Artifact, order: &Order<'_>, cx: &Ctx) -> Result<Build, Failure> {
    if let Some(build) = order.rests(object, &artifact.revision) {
        return Ok(build);
    }
    check_path(&object.spec.chart).map_err(Error::from)?;
    let tree = Arc::new(unpack(artifact, cx).await?);
    let (path, limits) = (located(&object.spec.chart), cx.helm.limits.chart);
    let about = {
        let (tree, path) = (Arc::clone(&tree), path.clone());
        blocking(move || About::of(&tree, &path, &limits)).await?
    };
    let revision = short(kind, &artifact.revision);
    let marking = if object.spec.follows_revision() { Marking::Revision(&revision) } else { Marking::None };
    let (version, changed) = order.version(&about.metadata.version, &marking).map_err(Error::from)?;
    let how = if about.is_folder || changed { How::Packaged } else { How::Pulled };
    if let Some(build) = order.built(&about.metadata.name, &version, how) {
        return Ok(build);
    }
    let new = Build { name: about.metadata.name, version, values_files: Vec::new(), how, dependencies: 0, verified: None, content: None };
    if how == How::Pulled {
        let bytes = blocking(move || tree.read(&path, limits.archive)).await;
        let bytes = bytes.map_err(|problem| Error::pull(format!("failed to read from source during copy: {problem}")))?;
        return Ok(Build { content: Some(bytes), ..new });
    }
    let (files, absent) = (order.values_files().to_vec(), order.absent());
    let loading = {
        let (tree, path) = (Arc::clone(&tree), path.clone());
        move || {
            let merged = if files.is_empty() { None } else { Some(merge_files(tree.as_ref(), &files, absent, &limits)?) };
            let mut chart = Chart::load(tree.as_ref(), &path, &limits).map_err(|problem| Error::package(problem.to_string()))?;
            chart.set_version(&new.version);
            let mut build = new;
            if let Some(merged) = merged
                && chart.set_values(merged.values)?
            {
                build.values_files = merged.files;
            }
            Ok::<_, Error>((chart, build))
        }
    };
    let (mut chart, mut build) = blocking(loading).await?;
    if about.is_folder {
        (chart, build.dependencies) = dependencies::add(object, chart, &path, tree, cx).await?;
    }
    let packed = blocking(move || chart.package()).await.map_err(Error::from)?;
    Ok(Build { content: Some(packed), ..build })
}

/// What is at the chart's path.
struct About {
    metadata: Metadata,
    is_folder: bool,
}

impl About {
    fn of(tree: &Tree, path: &str, limits: &Limits) -> Result<Self, Error> {
        let refused = |problem: headwater_helm::chart::Problem| Error::reference(problem.to_string());
        let mut metadata = Metadata::of(tree, path, limits).map_err(refused)?;
        metadata.validate().map_err(refused)?;
        Ok(Self { metadata, is_folder: tree.kind(path).map_err(refused)? == Some(Kind::Folder) })
    }
}

/// Reads the source's archive into a file that has no name.
async fn unpack(artifact: &Artifact, cx: &Ctx) -> Result<Tree, Failure> {
    let failed = |why: String| Failure::chart(Mark::ChartUnknown, reason::FAILED, format!("artifact untar error: {why}"));
    let at = Location::parse(&artifact.path).map_err(|error| failed(error.to_string()))?;
    let digest: Digest = artifact.digest.parse().map_err(|error: headwater_storage::Error| failed(error.to_string()))?;
    let (storage, scratch) = (cx.storage.clone(), cx.scratch.clone());
    let bounds = cx.git_limits;
    let limits = headwater_storage::Limits { bytes: bounds.tree_size, entries: bounds.entries, file: bounds.blob_size };
    let stop = crate::reconcile::aid::CancelOnDrop::default();
    let cancelled: Arc<AtomicBool> = stop.flag();
    let unpacked = blocking(move || storage.unpack(&at, Some(&digest), BStr::new(""), &scratch, limits, &cancelled)).await;
    if unpacked.is_err() {
        // The source's own pass then looks whether it is still intact.
        cx.intact.forget(artifact);
    }
    Ok(Tree::new(unpacked.map_err(|error| failed(chain(&error)))?))
}

/// The start of the hash in a revision.
fn short(kind: &str, revision: &str) -> String {
    let hash = match kind {
        git_repository::KIND => revision.rsplit(['@', '/']).next().unwrap_or(revision).rsplit(':').next().unwrap_or(revision),
        _ => revision.rsplit(':').next().unwrap_or(revision),
    };
    hash.chars().take(SHORT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_cut_short() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        for revision in [format!("main@sha1:{sha}"), format!("sha1:{sha}"), format!("refs/heads/a@b@sha1:{sha}"), format!("main/{sha}")] {
            assert_eq!(short("GitRepository", &revision), "0123456789ab", "{revision}");
        }
        assert_eq!(short("Bucket", &format!("sha256:{sha}")), "0123456789ab");
    }
}
