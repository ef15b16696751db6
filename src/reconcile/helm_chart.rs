//! `HelmChart` → artifact: find the source → which version → is it the one that is there → pull or package → store.

mod build;
mod dependencies;
mod local;
mod order;
mod registry;
mod remote;
mod repository;
mod run;
mod source;
mod tree;
mod verify;

use std::time::Duration;

use headwater_api::helm_chart::{HelmChart, HelmChartStatus};
use headwater_api::reason;
use kube::ResourceExt;

use super::failure::Failure;
use super::helm_repository::beside;
use super::pass::{Done, Fact, Pass};
use super::{Changed, Ctx, Reconcile, Schedule, Shared};
pub use source::Sources;

/// The name under which the chart of now is served, whatever its version.
const LATEST: &str = "latest.tar.gz";
/// What a pass may take: its requests have the timeouts of the repositories that they go to.
const TIMEOUT: Duration = Duration::from_mins(10);

impl Reconcile for HelmChart {
    type Status = HelmChartStatus;

    fn schedule(&self) -> Result<Schedule, Failure> {
        let unreadable = |error| Failure::fetch("InvalidDuration", format!("invalid spec.interval: {error}")).stalled();
        Ok(Schedule { interval: self.spec.interval.get().map_err(unreadable)?, timeout: TIMEOUT })
    }

    fn suspended(&self) -> bool {
        self.spec.suspend
    }

    fn status(&self) -> HelmChartStatus {
        self.status.clone().unwrap_or_default()
    }

    fn shared(status: &mut HelmChartStatus) -> Shared<'_> {
        Shared {
            conditions: &mut status.conditions,
            artifact: &mut status.artifact,
            observed_generation: &mut status.observed_generation,
            last_handled: &mut status.last_handled_reconcile_at,
        }
    }

    fn tell(&self, status: &mut HelmChartStatus, facts: &[Fact], outcome: Option<&Done>) {
        status.url = status.artifact.as_ref().map(|artifact| beside(&artifact.url, LATEST));
        for fact in facts {
            match fact {
                Fact::Source(revision) => status.observed_source_artifact_revision = Some(revision.clone()),
                Fact::Chart { name, values_files } if outcome.is_some() => {
                    status.observed_chart_name = Some(name.clone());
                    status.observed_values_files.clone_from(values_files);
                }
                _ => {}
            }
        }
        if let Some(done) = outcome {
            status.content_config_checksum = Some(done.kept().checksum.clone());
        }
    }

    fn follows(&self, other: &Changed) -> bool {
        let source = &self.spec.source_ref;
        source.kind == other.kind && source.name == other.name && self.namespace().as_deref() == Some(&other.namespace)
    }

    async fn may_have_missed(&self, cx: &Ctx) -> bool {
        let observed = self.status().observed_source_artifact_revision;
        match source::find(self, cx).await {
            Ok(source::Source::Repository(repository)) if repository.spec.is_oci() => false,
            Ok(source) => source.artifact().map(|artifact| artifact.revision) != observed,
            Err(_) => true,
        }
    }

    fn unchanged(revision: &str) -> (&'static str, String) {
        (reason::ARTIFACT_UP_TO_DATE, format!("artifact up-to-date with remote revision: '{revision}'"))
    }

    fn forgotten(&self, cx: &Ctx) {
        cx.helm.indexes.forget(&self.namespace().unwrap_or_default(), &self.name_any());
    }

    fn timed_out(&self) -> Failure {
        build::Error::pull("context deadline exceeded").into()
    }

    async fn run(&self, cx: &Ctx, pass: &mut Pass) -> Result<Done, Failure> {
        run::run(self, cx, pass).await
    }
}
