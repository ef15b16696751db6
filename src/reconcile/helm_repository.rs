//! `HelmRepository` → artifact: who we are there → ask for the index, on condition that it has changed → check and store it.

mod run;
mod table;

use std::time::Duration;

use headwater_api::helm_repository::{HelmRepository, HelmRepositoryStatus};
use headwater_api::reason;
use kube::ResourceExt;

use super::failure::Failure;
use super::pass::{Done, Fact, Pass};
use super::{Ctx, Reconcile, Schedule, Shared};

/// The name under which the index of now is served, whatever its revision.
const LATEST: &str = "index.yaml";
/// What a pass may take beside the download.
const BESIDES: Duration = Duration::from_mins(2);

impl Reconcile for HelmRepository {
    type Status = HelmRepositoryStatus;

    fn schedule(&self) -> Result<Schedule, Failure> {
        let unreadable = |field: &str, error| Failure::fetch("InvalidDuration", format!("invalid spec.{field}: {error}")).stalled();
        let interval = self.spec.interval().map_err(|error| unreadable("interval", error))?;
        let timeout = self.spec.timeout().map_err(|error| unreadable("timeout", error))?;
        Ok(Schedule { interval, timeout: timeout.saturating_add(BESIDES) })
    }

    fn suspended(&self) -> bool {
        self.spec.suspend
    }

    fn is_static(&self) -> bool {
        self.spec.is_oci()
    }

    fn status(&self) -> HelmRepositoryStatus {
        self.status.clone().unwrap_or_default()
    }

    fn shared(status: &mut HelmRepositoryStatus) -> Shared<'_> {
        Shared {
            conditions: &mut status.conditions,
            artifact: &mut status.artifact,
            observed_generation: &mut status.observed_generation,
            last_handled: &mut status.last_handled_reconcile_at,
        }
    }

    fn tell(&self, status: &mut HelmRepositoryStatus, _facts: &[Fact], outcome: Option<&Done>) {
        status.url = status.artifact.as_ref().map(|artifact| beside(&artifact.url, LATEST));
        if let Some(done) = outcome {
            status.content_config_checksum = Some(done.kept().checksum.clone());
        }
    }

    fn unchanged(revision: &str) -> (&'static str, String) {
        (reason::ARTIFACT_UP_TO_DATE, format!("artifact up-to-date with remote revision: '{revision}'"))
    }

    fn forgotten(&self, cx: &Ctx) {
        cx.helm.indexes.forget(&self.namespace().unwrap_or_default(), &self.name_any());
    }

    fn timed_out(&self) -> Failure {
        table::timed_out(&self.spec.url)
    }

    async fn run(&self, cx: &Ctx, pass: &mut Pass) -> Result<Done, Failure> {
        run::run(self, cx, pass).await
    }
}

/// The URL of a link beside an artifact.
pub(super) fn beside(artifact: &str, name: &str) -> String {
    artifact.rsplit_once('/').map_or_else(|| name.to_owned(), |(folder, _)| format!("{folder}/{name}"))
}
