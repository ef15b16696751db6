//! The charts that a chart in a folder needs and does not bring: from beside it, or from repositories.

use std::sync::Arc;
use std::time::Duration;

use headwater_api::helm_chart::HelmChart;
use headwater_api::helm_repository::{self, HelmRepository, HelmRepositorySpec};
use headwater_http::printable_url;
use headwater_storage::Location;

use super::build::Error;
use super::repository::{Repository, Unopened, asker};
use super::source;
use super::tree::Tree;
use crate::reconcile::Ctx;
use crate::reconcile::aid::blocking;
use crate::reconcile::helm::access;
use crate::telemetry;
use headwater_helm::chart::{Chart, Dependency, Missing};

/// How long a download from a repository may take that no object describes.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Adds what `chart`, which lies at `path`, misses, and says how many that were.
pub async fn add(object: &HelmChart, mut chart: Chart, path: &str, tree: Arc<Tree>, cx: &Ctx) -> Result<(Chart, usize), Error> {
    let mut missing = chart.missing();
    // One repository after the other, so that no more than one index is held.
    missing.sort_by(|a, b| a.dependency.repository.cmp(&b.dependency.repository));
    let mut repositories = Repositories { object, cx, known: None, open: None };
    let limits = cx.helm.limits.chart;
    for missing in &missing {
        if missing.dependency.is_local() {
            let (tree, path, missing) = (Arc::clone(&tree), path.to_owned(), missing.clone());
            let added = blocking(move || chart.add_local(tree.as_ref(), &path, &missing, &limits).map(|()| chart));
            chart = added.await?;
        } else {
            let added = repositories.chart(missing).await;
            let added = added.map_err(|why| Error::dependency(format!("failed to add remote dependency '{}': {why}", missing.name)))?;
            chart.add(added, &missing.dependency.alias);
        }
        if chart.size() > limits.total {
            return Err(Error::dependency(format!("the chart and its dependencies have more than {} bytes in their files", limits.total)));
        }
    }
    Ok((chart, missing.len()))
}

/// The repositories that dependencies name.
struct Repositories<'a> {
    object: &'a HelmChart,
    cx: &'a Ctx,
    /// Those that objects in the namespace describe.
    known: Option<Vec<HelmRepository>>,
    /// The one that was asked last, by its URL.
    open: Option<(String, Repository)>,
}

impl Repositories<'_> {
    async fn chart(&mut self, missing: &Missing) -> Result<Chart, String> {
        let Dependency { name, version, repository, .. } = &missing.dependency;
        let cx = self.cx;
        let repository_of = printable_url(repository);
        let told = |why: &str| format!("failed to get chart '{name}' version '{version}' from '{repository_of}': {why}");
        let opened = self.repository(repository).await.map_err(|error| match error {
            Unreached::Repository(why) => why,
            Unreached::Index(why) => told(&why),
        })?;
        let found = opened.find(name, version).await.map_err(|error| told(error.why()))?;
        let bytes = opened.download(&found, None, cx).await;
        let bytes = bytes.map_err(|why| format!("chart download of version '{}' failed: {why}", found.version))?;
        let limits = cx.helm.limits.chart;
        let chart = blocking(move || Chart::from_archive(&bytes, &limits)).await;
        chart.map_err(|problem| format!("failed to load downloaded archive of version '{}': {problem}", found.version))
    }

    /// The repository at a URL, or the one that an alias names.
    async fn repository(&mut self, named: &str) -> Result<&Repository, Unreached> {
        let url = access::normalised(named);
        if self.open.as_ref().is_none_or(|(open, _)| *open != url) {
            self.open = None;
            let opened = self.opened(named, &url).await?;
            self.open = Some((url, opened));
        }
        self.open.as_ref().map(|(_, open)| open).ok_or_else(|| Unreached::Repository("the repository is not open".into()))
    }

    async fn opened(&mut self, named: &str, url: &str) -> Result<Repository, Unreached> {
        let shown = printable_url(url);
        let failed = |why: &str| Unreached::Repository(format!("failed to get chart repository for URL '{shown}': {why}"));
        let alias = named.strip_prefix('@').or_else(|| named.strip_prefix("alias:"));
        let in_registry = url.starts_with("oci://");
        if alias.is_none() && !in_registry && !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Unreached::Repository(format!("invalid dependency repository URL: {shown}")));
        }
        let known = self.known().await.map_err(|error| failed(&telemetry::told(&error)))?;
        let described = known.iter().find(|known| match alias {
            Some(alias) => known.metadata.name.as_deref() == Some(alias),
            None => access::normalised(&known.spec.url) == url,
        });
        let (described, cx) = (described.cloned(), self.cx);
        let opened = match described.or_else(|| in_registry.then(|| at(url))) {
            None if alias.is_some() => {
                return Err(Unreached::Repository(format!("aliased repository dependency is not supported: {shown}")));
            }
            None => {
                let access = access::open(url, TIMEOUT).map_err(|error| failed(&error.to_string()))?;
                Repository::fetched(access, cx).await
            }
            Some(mut described) => {
                // As stock Flux has it, the URL says what a dependency's repository is.
                if described.spec.url.starts_with("oci://") {
                    described.spec.type_ = Some(helm_repository::TYPE_OCI.into());
                }
                let door = access::door(&described, &cx.client).await.map_err(|error| failed(&error.to_string()))?;
                let artifact = described.status.as_ref().and_then(|status| status.artifact.clone());
                let stored = artifact.filter(|artifact| Location::parse(&artifact.path).is_ok_and(|at| cx.storage.exists(&at)));
                let (namespace, name) = asker(self.object);
                Repository::open(&described, door, stored.as_ref(), (&namespace, &name), cx).await
            }
        };
        opened.map_err(|error| match error {
            Unopened::Index(why) => Unreached::Index(why),
            other => failed(other.why()),
        })
    }

    /// The repositories of the namespace, listed once.
    async fn known(&mut self) -> kube::Result<&[HelmRepository]> {
        if self.known.is_none() {
            self.known = Some(source::repositories(self.object, self.cx).await?);
        }
        Ok(self.known.as_deref().unwrap_or_default())
    }
}

/// Why a dependency's repository cannot be asked.
enum Unreached {
    /// It is not known, or does not let us in.
    Repository(String),
    /// Its index is not to be had.
    Index(String),
}

/// A repository that is known by its URL alone.
fn at(url: &str) -> HelmRepository {
    HelmRepository { spec: HelmRepositorySpec { url: url.to_owned(), ..<_>::default() }, ..<_>::default() }
}
