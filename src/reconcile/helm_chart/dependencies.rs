//! The charts that a chart in a folder needs and does not bring: from beside it, or from repositories.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use headwater_api::HelmRepository;
use headwater_api::helm_chart::HelmChart;
use headwater_storage::Location;

use super::build::Error;
use super::repository::{Repository, asker};
use super::source;
use super::tree::Tree;
use crate::fetch::helm::chart::{Chart, Dependency, Missing};
use crate::reconcile::Ctx;
use crate::reconcile::aid::blocking;
use crate::reconcile::helm::access;
use crate::telemetry;

/// How long a download from a repository may take that no object describes.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Adds what `chart`, which lies at `path`, misses, and says how many that were.
pub async fn add(object: &HelmChart, mut chart: Chart, path: &str, tree: Arc<Tree>, cx: &Ctx) -> Result<(Chart, usize), Error> {
    let missing = chart.missing();
    let mut repositories = Repositories { object, cx, known: None, open: HashMap::new() };
    for missing in &missing {
        if missing.dependency.is_local() {
            let (tree, path, missing, limits) = (Arc::clone(&tree), path.to_owned(), missing.clone(), cx.helm.limits.chart);
            let added = blocking(move || chart.add_local(tree.as_ref(), &path, &missing, &limits).map(|()| chart));
            chart = added.await?;
        } else {
            let added = repositories.chart(missing).await;
            let added = added.map_err(|why| Error::dependency(format!("failed to add remote dependency '{}': {why}", missing.name)))?;
            chart.add(added, &missing.dependency.alias);
        }
    }
    Ok((chart, missing.len()))
}

/// The repositories that dependencies name, each opened once.
struct Repositories<'a> {
    object: &'a HelmChart,
    cx: &'a Ctx,
    /// Those that objects in the namespace describe.
    known: Option<Vec<HelmRepository>>,
    open: HashMap<String, Repository>,
}

impl Repositories<'_> {
    async fn chart(&mut self, missing: &Missing) -> Result<Chart, String> {
        let Dependency { name, version, repository, .. } = &missing.dependency;
        let cx = self.cx;
        let repository_of = access::shown(repository);
        let opened = self.repository(repository).await?;
        let opened = opened.map_err(|why| format!("failed to get chart '{name}' version '{version}' from '{repository_of}': {why}"))?;
        let found = opened
            .find(name, version)
            .await
            .map_err(|error| format!("failed to get chart '{name}' version '{version}' from '{repository_of}': {}", error.why()))?;
        let bytes = opened.download(&found, None, cx).await;
        let bytes = bytes.map_err(|why| format!("chart download of version '{}' failed: {why}", found.version))?;
        let limits = cx.helm.limits.chart;
        let chart = blocking(move || Chart::from_archive(&bytes, &limits)).await;
        chart.map_err(|problem| format!("failed to load downloaded archive of version '{}': {problem}", found.version))
    }

    /// The repository at a URL, or the one that an alias names. The inner error is one of its index.
    async fn repository(&mut self, named: &str) -> Result<Result<&Repository, String>, String> {
        let url = access::normalised(named);
        if !self.open.contains_key(&url) {
            match self.opened(named, &url).await? {
                Ok(opened) => drop(self.open.insert(url.clone(), opened)),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(self.open.get(&url).ok_or_else(|| "it is not open".to_owned()))
    }

    async fn opened(&mut self, named: &str, url: &str) -> Result<Result<Repository, String>, String> {
        use super::repository::Unopened;
        let shown = access::shown(url);
        let failed = |why: &str| format!("failed to get chart repository for URL '{shown}': {why}");
        let alias = named.strip_prefix('@').or_else(|| named.strip_prefix("alias:"));
        if alias.is_none() && !["http://", "https://", "oci://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(format!("invalid dependency repository URL: {shown}"));
        }
        let known = self.known().await.map_err(|error| failed(&telemetry::told(&error)))?;
        let described = match alias {
            Some(alias) => known.iter().find(|known| known.metadata.name.as_deref() == Some(alias)),
            None => known.iter().find(|known| access::normalised(&known.spec.url) == url),
        };
        let (described, cx) = (described.cloned(), self.cx);
        let opened = match (described, alias) {
            (None, Some(_)) => return Err(format!("aliased repository dependency is not supported: {shown}")),
            (Some(mut described), _) => {
                // As stock Flux has it, the URL says what a dependency's repository is.
                if described.spec.url.starts_with("oci://") {
                    described.spec.type_ = Some(headwater_api::helm_repository::TYPE_OCI.into());
                }
                let door = access::door(&described, &cx.client).await.map_err(|error| failed(&error.to_string()))?;
                let artifact = described.status.as_ref().and_then(|status| status.artifact.clone());
                let stored = artifact.filter(|artifact| Location::parse(&artifact.path).is_ok_and(|at| cx.storage.exists(&at)));
                let (namespace, name) = asker(self.object);
                Repository::open(&described, door, stored.as_ref(), (&namespace, &name), cx).await
            }
            (None, None) if url.starts_with("oci://") => {
                let mut plain = HelmRepository::default();
                url.clone_into(&mut plain.spec.url);
                plain.spec.type_ = Some(headwater_api::helm_repository::TYPE_OCI.into());
                let door = access::door(&plain, &cx.client).await.map_err(|error| failed(&error.to_string()))?;
                Repository::open(&plain, door, None, ("", ""), cx).await
            }
            (None, None) => {
                let access = access::open(url, TIMEOUT).map_err(|error| failed(&error.to_string()))?;
                Repository::fetched(access, cx).await
            }
        };
        match opened {
            Ok(opened) => Ok(Ok(opened)),
            Err(Unopened::Index(why)) => Ok(Err(why)),
            Err(other) => Err(failed(other.why())),
        }
    }

    /// The repositories of the namespace, listed once.
    async fn known(&mut self) -> kube::Result<&[HelmRepository]> {
        if self.known.is_none() {
            self.known = Some(source::repositories(self.object, self.cx).await?);
        }
        Ok(self.known.as_deref().unwrap_or_default())
    }
}
