//! `GitRepository` → artifact: resolve references (I/O) → plan (pure) → run (ask the remote, fetch, store).

mod plan;
mod resolve;
mod run;
mod table;

use headwater_api::git_repository::{GitRepository, GitRepositoryStatus};
use headwater_api::reason;

use super::failure::Failure;
use super::pass::{Done, Pass};
use super::status::Common;
use super::{Ctx, Reconcile, Schedule};
pub use run::Intact;

impl Reconcile for GitRepository {
    type Status = GitRepositoryStatus;

    fn schedule(&self) -> Result<Schedule, Failure> {
        plan::schedule(&self.spec)
    }

    fn suspended(&self) -> bool {
        self.spec.suspend
    }

    fn status(&self) -> GitRepositoryStatus {
        self.status.clone().unwrap_or_default()
    }

    fn common(status: &GitRepositoryStatus) -> Common {
        Common {
            conditions: status.conditions.clone(),
            artifact: status.artifact.clone(),
            observed_generation: status.observed_generation,
            last_handled: status.last_handled_reconcile_at.clone(),
        }
    }

    fn with(&self, mut status: GitRepositoryStatus, common: Common, outcome: Option<&Done>) -> GitRepositoryStatus {
        status.conditions = common.conditions;
        status.artifact = common.artifact;
        status.observed_generation = common.observed_generation;
        status.last_handled_reconcile_at = common.last_handled;
        if let Some(done) = outcome {
            status.observed_ignore.clone_from(&self.spec.ignore);
            status.observed_recurse_submodules = self.spec.recurse_submodules;
            status.observed_include.clone_from(&self.spec.include);
            status.observed_sparse_checkout.clone_from(&self.spec.sparse_checkout);
            status.included_artifacts.clear();
            status.source_verification_mode = None;
            status.content_config_checksum = Some(done.checksum().to_owned());
        }
        status
    }

    fn unchanged(revision: &str) -> (&'static str, String) {
        (reason::GIT_OPERATION_SUCCEEDED, format!("no changes since last reconciliation: observed revision '{revision}'"))
    }

    fn timed_out(&self) -> Failure {
        table::timed_out(&self.spec.url)
    }

    async fn run(&self, cx: &Ctx, pass: &mut Pass) -> Result<Done, Failure> {
        let references = resolve::references(self, &cx.client).await?;
        let plan = plan::plan(self, &references)?;
        run::run(self, &plan, cx, pass).await
    }
}
