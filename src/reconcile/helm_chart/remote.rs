//! Charts out of Helm repositories.

use headwater_api::helm_chart::HelmChart;
use headwater_api::helm_repository::HelmRepository;
use headwater_api::{Artifact, reason};

use super::build::{Build, Error, How};
use super::order::{Marking, Order};
use super::repository::{Repository, Unopened, asker};
use super::verify;
use crate::reconcile::Ctx;
use crate::reconcile::aid::blocking;
use crate::reconcile::failure::{Failure, Mark};
use crate::reconcile::helm::access;
use crate::reconcile::pass::{Fact, Pass};
use headwater_helm::chart::{Chart, Limits, Metadata, check_name};
use headwater_oci::cosign::Trust;

/// What errors of a chart download hold when it was a matter of who asked, or who answered. A digest or a port may hold 401 too.
const TELL_TALE: [&str; 6] =
    [" 401:", " 401 ", "unauthorized", "authentication required", "invalid peer certificate", "received fatal alert"];
const VERSION: &str = "failed to get chart version for remote reference";

/// Builds a chart from a repository, whose stored index is `artifact`.
pub async fn build(
    object: &HelmChart,
    repository: &HelmRepository,
    artifact: Option<&Artifact>,
    order: &Order<'_>,
    cx: &Ctx,
    pass: &mut Pass,
) -> Result<Build, Failure> {
    let unknown = |reason: &'static str, why: String| Failure::chart(Mark::ChartUnknown, reason, why);
    let door = access::door(repository, &cx.client).await.map_err(|error| match error {
        access::Error::Url(why) => unknown(reason::URL_INVALID, format!("invalid Helm repository URL: {why}")).stalled(),
        access::Error::Credentials(why) => unknown(reason::AUTHENTICATION_FAILED, why),
    })?;
    let trust = if repository.spec.is_oci() { verify::trust(object, cx).await? } else { None };
    check_name(&object.spec.chart).map_err(Error::from)?;
    let (namespace, name) = asker(repository);
    let opened = Repository::open(repository, door, artifact, (&namespace, &name), cx).await;
    let opened = opened.map_err(|error| match error {
        Unopened::Misplaced(why) => unknown(reason::FAILED, format!("failed to construct Helm client: {why}")).stalled(),
        Unopened::Refused(why) => unknown(reason::AUTHENTICATION_FAILED, why),
        Unopened::Index(why) => Error::pull(format!("{VERSION}: {why}")).into(),
    })?;
    match from(object, &opened, trust.as_ref(), order, cx).await {
        Ok(build) => {
            if trust.is_some() {
                let message = format!("verified signature of version {}", build.version);
                pass.learnt(Fact::Verified { message, mode: String::new() });
            }
            Ok(build)
        }
        Err(error) => {
            let told = error.to_string();
            if TELL_TALE.iter().any(|word| told.contains(word)) {
                let why = format!("failed to authenticate with the Helm repository: {told}");
                return Err(unknown(reason::AUTHENTICATION_FAILED, why));
            }
            Err(error.into())
        }
    }
}

async fn from(object: &HelmChart, repository: &Repository, trust: Option<&Trust>, order: &Order<'_>, cx: &Ctx) -> Result<Build, Error> {
    use super::repository::NotFound;
    let found = repository.find(&object.spec.chart, object.spec.version()).await.map_err(|error| {
        let why = format!("{VERSION}: {}", error.why());
        match error {
            NotFound::Reference(_) => Error::reference(why),
            NotFound::External(_) => Error::pull(why),
        }
    })?;
    let manifest = match (&object.spec.verify, trust) {
        (Some(asked), Some(trust)) => Some(verify::check(asked, trust, repository, &found).await?),
        (Some(_), None) => return Err(Error::verification("not implemented")),
        (None, _) => None,
    };
    let (version, changed) = order.version(&found.version, &Marking::None)?;
    let how = if changed { How::Packaged } else { How::Pulled };
    let verified = manifest.as_ref().map(|manifest| manifest.digest.to_string());
    // What is there counts only if it was made from the manifest that is verified now.
    let same = verified.is_none() || verified.as_deref() == order.verified(cx).as_deref();
    if let Some(build) = order.built(&found.name, &version, how).filter(|_| same) {
        return Ok(Build { verified, ..build });
    }
    let downloaded = repository.download(&found, manifest.as_ref(), cx).await;
    let bytes = downloaded.map_err(|why| Error::pull(format!("failed to download chart for remote reference: {why}")))?;
    let limits = cx.helm.limits.chart;
    let new = Build { name: found.name, version, values_files: Vec::new(), how, dependencies: 0, verified, content: None };
    if !changed {
        return blocking(move || checked(new, bytes, &limits)).await;
    }
    let (files, absent) = (object.spec.values_files.clone(), order.absent());
    let packaged = blocking(move || {
        let loaded = Chart::from_archive(&bytes, &limits);
        let mut chart = loaded.map_err(|problem| Error::package(format!("failed to load downloaded chart: {problem}")))?;
        chart.set_version(&new.version);
        let merged = chart.merge_values(&files, absent, &limits)?;
        let values_files = if chart.set_values(merged.values)? { merged.files } else { Vec::new() };
        Ok::<_, Error>(Build { values_files, content: Some(chart.package()?), ..new })
    });
    packaged.await
}

/// A chart as it came, once it is known to be one.
fn checked(build: Build, bytes: Vec<u8>, limits: &Limits) -> Result<Build, Error> {
    let mut metadata = Metadata::of_archive(&bytes, limits)
        .map_err(|problem| Error::pull(format!("failed to load chart metadata from written chart: {problem}")))?;
    metadata.validate().map_err(|problem| Error::pull(format!("failed to validate metadata of written chart: {problem}")))?;
    Ok(Build { content: Some(bytes), ..build })
}
